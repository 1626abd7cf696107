"""A conversation as a file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from chat import export
from chat.models import Attachment, Conversation, ModelProvider, Run, Step
from chat.services.conversations import change_conversation
from tests.chat.api.conftest import Send
from tests.chat.conftest import MakeRun, step_in

pytestmark = pytest.mark.django_db(transaction=True)  # it is read in pieces, each with a connection of its own


def exported(browser: Client, conversation: Conversation, kind: str = "") -> tuple[str, Any]:
    """The file, and the answer that it came in."""
    answer: Any = browser.get(f"/api/v1/conversations/{conversation.pk}/export/{f'?as={kind}' if kind else ''}")
    assert answer.status_code == 200

    async def read() -> bytes:
        return b"".join([part async for part in answer])

    return async_to_sync(read)().decode(), answer


@pytest.fixture
def full(conversation: Conversation, make_run: MakeRun) -> Conversation:
    """A conversation with everything in it."""
    provider = ModelProvider.objects.create(kind="openai", name="Mine", api_key="sk-very-secret")
    run = make_run(
        "Read `/tmp/a`, please.", answer="It says **hello**.", provider=provider, model="small", input_tokens=7, cost_usd=Decimal("0.5"),
        messages=[{"only": "the model's"}], context={"only": "told on the page"},
    )  # fmt: skip
    Attachment.objects.create(run=run, name="notes.txt", media_type="text/plain", size=4, content=b"\x00\x01\x02\x03")
    step_in(run, receipt_id=uuid4(), result={"content": [{"type": "text", "text": "````\n# not a heading\n```"}]})
    step_in(run, name="find_tools", server_name="", tool_name="", result={"content": [], "structuredContent": {"found": 1}})
    step_in(run, status=Step.Status.FAILED, result=None, error_code="timeout", error_message="It took too long.")
    make_run("Said otherwise later", is_superseded=True)
    make_run("And now?", answer="Half of", status=Run.Status.CANCELLED)
    return conversation


def test_markdown(browser: Client, full: Conversation) -> None:
    change_conversation(user=full.owner, conversation_id=full.pk, title="Reading files")
    text, answer = exported(browser, full)
    receipt = Step.objects.get(name="files__read_file", number=1).receipt_id
    assert (answer["Content-Type"], answer["Content-Disposition"]) == (
        "text/markdown; charset=utf-8", 'attachment; filename="reading-files.md"',
    )  # fmt: skip
    lines = text.splitlines()
    assert lines[0] == "# Reading files"
    assert lines[2].startswith("With Helper. Begun 20")
    headings = [line.split(", 20")[0] for line in lines if line.startswith("#")]
    assert headings == [
        "# Reading files",
        "## You",
        "### Tool call 1: files / read_file, succeeded",
        "# not a heading",
        "### Tool call 2: find_tools, succeeded",
        "### Tool call 3: files / read_file, failed",
        "## Helper",
        "## You",
        "## Helper",
    ]
    assert f"Receipt `{receipt}`" in lines
    assert '```json\n{\n  "path": "/tmp/a"\n}\n```' in text
    assert "`````\n````\n# not a heading\n```\n`````" in text
    assert "*It took too long.*" in lines
    assert "- Attached: notes.txt (text/plain, 4 bytes)" in lines
    assert text.endswith("Half of\n\n*Stopped by its user.*\n")
    for left_out in ("Said otherwise later", "the model's", "told on the page", "sk-very-secret"):
        assert left_out not in text


def test_json(browser: Client, full: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PIECE", 1)
    text, answer = exported(browser, full, "json")
    assert (answer["Content-Type"], answer["Content-Disposition"]) == (
        "application/json; charset=utf-8", 'attachment; filename="conversation.json"',
    )  # fmt: skip
    told: dict[str, Any] = json.loads(text)
    assert (told["format"], told["id"], told["agent"]["name"]) == (export.FORMAT, str(full.pk), "Helper")
    first, last = told["runs"]
    assert (first["text"], first["answer"], first["provider"], first["model"], first["cost_usd"]) == (
        "Read `/tmp/a`, please.", "It says **hello**.", "Mine", "small", "0.500000",
    )  # fmt: skip
    assert first["attachments"] == [{"name": "notes.txt", "media_type": "text/plain", "size": 4, "uri": ""}]
    assert [(call["number"], call["tool_name"], call["status"], call["receipt"] is None) for call in first["calls"]] == [
        (1, "read_file", "succeeded", False),
        (2, "", "succeeded", True),
        (3, "read_file", "failed", True),
    ]
    assert first["calls"][0]["arguments"] == {"path": "/tmp/a"}
    assert (last["status"], last["calls"]) == ("cancelled", [])
    for left_out in ("Said otherwise later", "the model's", "told on the page", "sk-very-secret"):
        assert left_out not in text


@pytest.mark.parametrize("kind", ["markdown", "json"])
def test_an_empty_one(browser: Client, conversation: Conversation, kind: str) -> None:
    text, _ = exported(browser, conversation, kind)
    assert json.loads(text)["runs"] == [] if kind == "json" else text.startswith("# New conversation\n")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etcpasswd.md"),
        ('a"; filename="b.exe', "a-filenamebexe.md"),
        ("天気", "conversation.md"),
        ("-- __ --", "conversation.md"),
        ("Café au lait", "cafe-au-lait.md"),
        ("word " * 40, "-".join(["word"] * 12) + ".md"),
    ],
)
def test_its_name_is_safe(browser: Client, conversation: Conversation, title: str, name: str) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(title=title)
    assert exported(browser, conversation)[1]["Content-Disposition"] == f'attachment; filename="{name}"'


def test_a_form_that_there_is_not(send: Send, conversation: Conversation) -> None:
    assert send("GET", f"/api/v1/conversations/{conversation.pk}/export/?as=pdf")[1]["fields"] == {"as": "It is markdown or json."}
