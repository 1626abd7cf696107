"""A conversation as a file: Markdown for people, JSON for programs.

Both name the receipts of its tool calls. Attachments are named, and not in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from channels.db import database_sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.text import slugify

from chat.models import Attachment, Conversation, Run, Step
from chat.selectors import said_in

PIECE = 20
"""So many runs are read at a time."""
FORMAT = "agentopia.conversation.1"


@dataclass(frozen=True)
class Kind:
    """A form of export: what it begins with, what each run is in it, what is between runs, and its end."""

    suffix: str
    media_type: str
    head: Callable[[Conversation], str]
    run: Callable[[Conversation, Run], str]
    between: str
    end: str


def file_name(conversation: Conversation, kind: Kind) -> str:
    """Of ASCII letters, digits and hyphens alone, whatever the title is."""
    return f"{slugify(conversation.title)[:60].strip('-_') or 'conversation'}.{kind.suffix}"


async def streamed(conversation: Conversation, kind: Kind) -> AsyncIterator[str]:
    """The file, some runs at a time: what a run's tools answered may be large."""
    yield kind.head(conversation)
    number, between = 0, ""
    while runs := await database_sync_to_async(_piece)(conversation, number):
        number = runs[-1].number
        yield between + kind.between.join(kind.run(conversation, run) for run in runs)
        between = kind.between
    yield kind.end


def _piece(conversation: Conversation, number: int) -> list[Run]:
    runs = said_in(conversation).filter(number__gt=number).select_related("provider").defer("provider__api_key")
    return list(runs.prefetch_related("steps", "attachments")[:PIECE])


def _json_head(conversation: Conversation) -> str:
    about = {
        "format": FORMAT,
        "id": conversation.pk,
        "title": conversation.title,
        "agent": {"id": conversation.agent_id, "name": conversation.agent_name},
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }
    return _json(about)[:-1] + ',"runs":['


def _json_run(_conversation: Conversation, run: Run) -> str:
    about = {
        **_of(run, "id", "number", "text"),
        "attachments": [_of(given, "name", "media_type", "size", "uri") for given in run.attachments.all()],
        **_of(run, "answer", "status", "error_code", "error_message", "model", "requests", "input_tokens", "output_tokens", "cost_usd"),
        "provider": run.provider.name if run.provider else "",
        **_of(run, "created_at", "started_at", "ended_at"),
        "calls": [_call(step) for step in run.steps.all()],
    }
    return "\n" + _json(about)


def _call(step: Step) -> dict[str, Any]:
    names = ("number", "round", "name", "server_name", "tool_name", "arguments", "status", "result", "error_code", "error_message")
    return {**_of(step, *names), "receipt": step.receipt_id, **_of(step, "started_at", "ended_at")}


def _of(row: Run | Step | Attachment, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _markdown_head(conversation: Conversation) -> str:
    began = f"Begun {_time(conversation.created_at)}, last message {_time(conversation.updated_at)}."
    return f"# {_line(str(conversation))}\n\nWith {_line(conversation.agent_name)}. {began}\n"


def _markdown_run(conversation: Conversation, run: Run) -> str:
    parts = [f"## You, {_time(run.created_at)}", run.text.strip()]
    parts += [f"- Attached: {_line(given.name)} ({given.media_type}, {given.size} bytes)" for given in run.attachments.all()]
    for step in run.steps.all():
        parts += _markdown_step(step)
    parts.append(f"## {_line(conversation.agent_name)}{f', {_time(run.ended_at)}' if run.ended_at else ''}")
    if run.answer.strip():
        parts.append(run.answer.strip())
    if run.status != Run.Status.SUCCEEDED:
        parts.append(f"*{_line(f'{run.get_status_display().capitalize()}. {run.error_message}'.strip())}*")
    return "\n" + "\n\n".join(parts) + "\n"


def _markdown_step(step: Step) -> list[str]:
    name = f"{step.server_name} / {step.tool_name}" if step.server_name else step.name
    parts = [f"### Tool call {step.number}: {_line(name)}, {step.get_status_display().lower()}"]
    if step.receipt_id:
        parts.append(f"Receipt `{step.receipt_id}`")
    parts.append(_block(json.dumps(step.arguments, ensure_ascii=False, indent=2), "json"))
    if step.error_message:
        parts.append(f"*{_line(step.error_message)}*")
    if step.result is not None:
        parts.append(_block(*_shown(step.result)))
    return parts


def _shown(result: dict[str, Any]) -> tuple[str, str]:
    """A result's text where it has nothing else, and all of it as JSON where it has."""
    content = result.get("content") or []
    if "structuredContent" not in result and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "\n\n".join(str(part.get("text", "")) for part in content), ""
    return json.dumps(result, ensure_ascii=False, indent=2), "json"


def _block(text: str, language: str) -> str:
    """As code, in a fence that nothing in the text closes: what tools answer is nobody's words in a conversation."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 0)
    return f"{fence}{language}\n{text}\n{fence}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


KINDS = {
    "markdown": Kind("md", "text/markdown", _markdown_head, _markdown_run, "", ""),
    "json": Kind("json", "application/json", _json_head, _json_run, ",", "\n]}\n"),
}
