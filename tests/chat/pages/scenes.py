"""Conversations in which much has happened, as rows."""

from __future__ import annotations

import base64
import struct
import zlib
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Approval, ToolCall
from chat.models import Attachment, Conversation, ModelProvider, Question, Run, RunEvent, Step

ANSWER = """Here is what I found.

## Rainfall

| City | mm | Days |
|---|---|---|
| Utrecht | 812 | 131 |
| Turin | 914 | 83 |

1. **Utrecht** has more wet days, but less rain.
2. Turin's rain falls in *May* and *October*.

```python
def wettest(rows: list[dict[str, float]]) -> str:
    return max(rows, key=lambda row: row["mm"])["city"]
```

See [the source](https://example.org/rain?year=2025) for more. <script>alert(1)</script>
"""
CONTEXT: dict[str, Any] = {
    "mode": "selected", "window": 128_000, "tokens": {"instructions": 420, "history": 1830, "prompt": 64, "tools": 5120},
    "history": {"runs": 3, "in_short": 1, "summarised_to": 0}, "own_tools": ["find_tools"],
    "tools": [
        {"name": "files__write_file", "server": "files", "tool": "write_file", "why": ["“report” fits", "used lately"], "pinned": False},
        {"name": "weather__rain", "server": "weather", "tool": "rain", "why": ["always given"], "pinned": True},
    ],
    "attachments": [{"name": "cities.csv", "tokens": 80}], "left_out": ["A part of the agent's instructions."],
}  # fmt: skip
ROWS = {"rows": [{"city": "Utrecht", "mm": 812, "days": 131}, {"city": "<b>Turin</b>", "mm": 914, "days": None}]}
FORM = {
    "type": "object",
    "properties": {
        "branch": {"type": "string", "title": "Branch", "description": "Where the report goes.", "default": "main"},
        "format": {"type": "string", "title": "Format", "oneOf": [{"const": "md", "title": "Markdown"}, {"const": "pdf", "title": "PDF"}]},
        "pages": {"type": "integer", "title": "Pages", "minimum": 1, "maximum": 20},
        "sections": {"type": "array", "title": "Sections", "items": {"type": "string", "enum": ["Summary", "Figures", "Sources"]}},
        "publish": {"type": "boolean", "title": "Publish it at once"},
    },
    "required": ["branch", "format"],
}


def picture(width: int = 240, height: int = 120) -> str:
    """A PNG in base64: a smooth area, so that it can be seen."""
    lines = b"".join(b"\0" + bytes(v for x in range(width) for v in (60 + x // 2, 90 + y, 200 - x // 3)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


class Teller:
    """Writes a run's events as rows."""

    def __init__(self, run: Run) -> None:
        self.run, self.seq = run, 0

    def tell(self, kind: str, **data: Any) -> None:
        self.seq += 1
        RunEvent.objects.create(run=self.run, seq=self.seq, kind=kind, data=data)

    def say(self, part: int, text: str, kind: str = "text") -> None:
        """A whole text."""
        self.tell(f"{kind}.start", part=part, text="")
        self.tell(f"{kind}.end", part=part, text=text)

    def call(self, number: int, round: int = 1, title: str = "", **fields: Any) -> Step:
        """A tool call, with its step."""
        now = timezone.now()
        usual: dict[str, Any] = {
            "name": "weather__rain", "server_name": "weather", "tool_name": "rain", "status": Step.Status.SUCCEEDED,
            "arguments": {"city": "Utrecht", "year": 2025}, "tool_call_id": f"call-{round}-{number}",
            "started_at": now - timedelta(seconds=2), "ended_at": now,
        }  # fmt: skip
        step = Step.objects.create(run=self.run, number=number, round=round, **{**usual, **fields})
        if step.status not in Step.ENDED:
            Step.objects.filter(pk=step.pk).update(ended_at=None)
        about = {"step": str(step.pk), "number": number, "round": round, "name": step.name, "server": step.server_name}
        self.tell("tool.called", **about, tool=step.tool_name, title=title, arguments=step.arguments, annotations={})
        if step.status in Step.ENDED:
            about = {"step": str(step.pk), "status": step.status, "error_code": step.error_code, "error_message": step.error_message}
            self.tell("tool.ended", **about, ms=1840.0, receipt=None, cost={"cpu_seconds": 0.04})
        return step


def ended_run(conversation: Conversation, number: int, text: str, **fields: Any) -> Run:
    """A run that has succeeded."""
    now = timezone.now() - timedelta(minutes=20 - number)
    usual = {
        "status": Run.Status.SUCCEEDED, "model": "claude-sonnet-5", "requests": 2, "input_tokens": 8200, "output_tokens": 640,
        "cost_usd": Decimal("0.0342"), "started_at": now - timedelta(seconds=9), "ended_at": now, "context": CONTEXT,
    }  # fmt: skip
    return Run.objects.create(conversation=conversation, number=number, text=text, **{**usual, **fields})


def busy_conversation(user: User, agent: Agent) -> Conversation:
    """One with everything that a turn can have; the last run waits for its user."""
    provider, _ = ModelProvider.objects.get_or_create(
        owner=user, name="Anthropic", kind="anthropic", defaults={"default_model": "claude-sonnet-5"}
    )
    made = Conversation.objects.create(
        owner=user, agent=agent, agent_name=agent.name, title="Rain in Utrecht and Turin", summary="They greeted each other."
    )
    first = ended_run(
        made, 1, "How much rain fell in Utrecht and Turin in 2025? Compare the two, and draw it.", answer=ANSWER, provider=provider
    )
    Attachment.objects.create(run=first, name="cities.csv", media_type="text/csv", size=812, content=b"city\nUtrecht\nTurin\n")
    told = Teller(first)
    told.tell("run.started", attempt=1, provider="Anthropic", model="claude-sonnet-5")
    told.say(1, "I should ask for both cities, then draw.", "thinking")
    told.say(2, "I look both cities up.")
    told.call(1, 1, "Rain by year", result={"content": [], "structuredContent": ROWS})
    told.call(
        2,
        1,
        "Rain by year",
        arguments={"city": "Turin", "year": 2025},
        result={"content": [{"type": "text", "text": "<script>alert(2)</script> 914 mm"}]},
    )
    told.tell("model.retry", reason="The model “claude-sonnet-5” gave no answer. It is too busy, or down, for now.", seconds=2.0, attempt=2)
    content = [
        {"type": "image", "mimeType": "image/png", "data": picture()},
        {"type": "audio", "mimeType": "audio/wav", "data": base64.b64encode(b"RIFF" + b"\0" * 40).decode()},
    ]
    told.call(
        3,
        2,
        "Draw a chart",
        tool_name="draw",
        server_name="charts",
        name="charts__draw",
        arguments={"kind": "bars"},
        result={"content": content},
    )
    failed = {
        "status": Step.Status.FAILED,
        "error_code": "tool_error",
        "error_message": "There is no folder “/srv/reports”.",
        "tool_name": "write_file",
    }
    told.call(
        4,
        3,
        "Write a file",
        **failed,
        server_name="files",
        name="files__write_file",
        arguments={"path": "/srv/reports/rain.md", "content": "# Rain\n" * 30},
    )
    told.tell("notice", code="arguments_repaired", text="Arguments of “files__write_file” were put right: year is a number.")
    told.say(3, ANSWER)
    second = ended_run(
        made,
        2,
        "And the wind?",
        status=Run.Status.FAILED,
        error_code="model_key",
        error_message="The model gave no answer: its provider does not accept the key.",
    )
    Teller(second).tell("model.fallback", **{"from": "claude-sonnet-5", "to": "gpt-5-mini"})
    ended_run(made, 3, "Never mind.", status=Run.Status.CANCELLED, error_code="stopped", error_message="You stopped the run.", context=None)
    last = Run.objects.create(
        conversation=made, number=4, text="Write it to a file, and publish it.", status=Run.Status.WAITING, started_at=timezone.now()
    )
    told = Teller(last)
    told.say(1, "I write the report first.")
    told.call(
        1, 1, "Write a file", server_name="files", name="files__write_file", tool_name="write_file", status=Step.Status.APPROVAL,
        approval_id=waiting_approval(agent).pk, arguments={"path": "/srv/rain.md", "content": "# Rain\n\nUtrecht: 812 mm\nTurin: 914 mm\n"},
    )  # fmt: skip
    running = told.call(
        2,
        1,
        "Build the site",
        server_name="site",
        name="site__build",
        tool_name="build",
        status=Step.Status.RUNNING,
        arguments={"target": "docs"},
    )
    told.tell("tool.progress", step=str(running.pk), progress=3, total=8, message="Rendering page 3 of 8")
    asking = told.call(
        3, 2, "Publish", server_name="site", name="site__publish", tool_name="publish", status=Step.Status.RUNNING, arguments={}
    )
    Question.objects.create(
        step=asking,
        message="Where should the report be published?\nIt is public then.",
        schema=FORM,
        expires_at=timezone.now() + timedelta(minutes=5),
    )
    told.tell("question.asked", question="q", step=str(asking.pk))
    told.tell("text.start", part=2, text="While I wait, this is what will be in it:\n\n- the figures of **both** cities\n- a chart")
    return made


def waiting_approval(agent: Agent, arguments: dict[str, Any] | None = None, call: UUID | None = None) -> Approval:
    """A call that waits for its owner."""
    given = arguments or {"path": "/srv/rain.md", "content": "# Rain\n"}
    until = timezone.now() + timedelta(minutes=10)
    receipt = ToolCall.objects.create(
        pk=call or uuid4(), user=agent.owner, via="chat", status="waiting", agent=agent, agent_name=agent.name, server_name="files",
        tool_name="write_file", arguments=given, deadline=until,
    )  # fmt: skip
    return Approval.objects.create(
        call=receipt, owner=agent.owner, agent=agent, reason="It may destroy or overwrite.", arguments=given, expires_at=until
    )
