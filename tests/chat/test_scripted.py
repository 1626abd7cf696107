"""The scripted model, which stands for models in tests and measurements: what it plays, and what goes wrong on demand."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.chat.scripted import Served, scripted

__all__ = ["scripted"]

SUM = {
    "id": "sum",
    "prompt": "Add the numbers in {root}/numbers.",
    "gold_calls": [
        {"id": "a", "server": "files", "tool": "read", "args": {"path": "{root}/numbers"}, "need": "read a file"},
        {"id": "b", "server": "maths", "tool": "add", "args": {"numbers": {"$py": "[int(x) for x in findall(r'\\d+', r['a'])]"}}},
    ],
    "answer": {"$py": "'It is ' + r['b']"},
}
ASKED = {"role": "user", "content": "Please:  Add the numbers in /data/numbers. Thank you."}


def tool(name: str, *properties: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in properties}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


READ, ADD = tool("files__read", "path"), tool("maths__add", "numbers")


def ask(served: Served, *messages: dict[str, Any], tools: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    body = {"model": served.model, "messages": list(messages), "tools": tools if tools is not None else [READ, ADD], **more}
    answer = httpx.post(f"{served.url}/chat/completions", json=body, timeout=20)
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]


def played(served: Served, answers: dict[str, str], **more: Any) -> tuple[list[Any], str]:
    """A whole conversation: what was called (name, arguments), and the answer."""
    messages, calls = [ASKED], []
    for _ in range(8):
        said = ask(served, *messages, **more)
        if not said.get("tool_calls"):
            return calls, said["content"]
        messages.append(said)
        for call in said["tool_calls"]:
            function = call["function"]
            calls.append((function["name"], function["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": answers.get(function["name"], "Error: no such tool")})
    raise AssertionError(calls)


def test_plays_a_task_from_the_results_that_it_is_sent(scripted: Served) -> None:
    scripted.play(SUM)
    calls, answer = played(scripted, {"files__read": json.dumps({"content": "4 and 5"}), "maths__add": "9"})
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [
        ("files__read", {"path": "/data/numbers"}),
        ("maths__add", {"numbers": [4, 5]}),
    ]
    assert answer == "It is 9"


def test_searches_for_what_it_is_not_offered_and_gives_up_without_a_search(scripted: Served) -> None:
    scripted.play(SUM)
    assert ask(scripted, ASKED, tools=[])["content"] == "CANNOT: no tool is offered to read a file"
    (call,) = ask(scripted, ASKED, tools=[tool("find_tools", "query")])["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"query": "read a file"}


def test_tries_again_after_a_result_that_is_an_error(scripted: Served) -> None:
    scripted.play(SUM)
    calls, answer = played(scripted, {"files__read": "Error: the server has ended"})
    assert [name for name, _ in calls] == ["files__read"] * 3 + ["maths__add"] * 3
    assert answer.startswith("It is Error")


@pytest.mark.parametrize("fault", ["malformed_args", "empty_args", "wrong_type", "missing_arg", "unknown_tool"])
def test_spoils_one_call_and_makes_it_properly_afterwards(scripted: Served, fault: str) -> None:
    scripted.play(SUM)
    scripted.fail(fault)
    calls, answer = played(scripted, {"files__read": "4 and 5", "maths__add": "9"})
    assert len(calls) == 3
    assert answer == "It is 9"


def test_refuses_once_a_turn_and_streams_until_it_breaks_off(scripted: Served) -> None:
    scripted.play(SUM)
    scripted.fail("http_429,disconnect")
    with pytest.raises(httpx.HTTPStatusError, match="429"):
        ask(scripted, ASKED)
    scripted.fail("disconnect")
    body = {"messages": [ASKED], "tools": [READ], "stream": True}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("POST", f"{scripted.url}/chat/completions", json=body, timeout=20) as answer,
    ):
        answer.read()
    whole = httpx.post(f"{scripted.url}/chat/completions", json=body, timeout=20).text
    assert whole.endswith("data: [DONE]\n\n")


def test_echoes_calls_what_it_is_told_and_beats(scripted: Served) -> None:
    assert ask(scripted, {"role": "user", "content": "Good morning"})["content"] == "You said: Good morning"
    (call,) = ask(scripted, {"role": "user", "content": 'call files__read {"path": "/x"}'})["tool_calls"]
    assert call["function"] == {"name": "files__read", "arguments": '{"path": "/x"}'}
    body = {"messages": [{"role": "user", "content": "beat 3 every 0.01"}], "stream": True}
    told = httpx.post(f"{scripted.url}/chat/completions", json=body, timeout=20).text
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in told.splitlines() if line.startswith("data: {")]
    beats = [float(delta["content"]) for delta in deltas if delta.get("content")]
    assert len(beats) == 3
    assert beats == sorted(beats)
    assert [entry["task"] for entry in scripted.log] == [None] * 3
