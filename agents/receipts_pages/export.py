"""Receipts as JSON Lines or CSV: oldest first, read in bounded pieces."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async

from accounts.models import User
from agents.models import ToolCall
from agents.receipts_pages.query import CallQuery, Place
from agents.receipts_pages.selectors import calls_for

PIECE = 200
FIELDS = (
    *("id", "created_at", "ended_at", "status", "error_code", "error_message", "via", "agent_id", "agent_name", "token_id", "token_name"),
    *("client", "run", "server_id", "server_name", "tool_name", "definition_digest", "arguments", "result"),
    *("queue_ms", "approval_ms", "duration_ms", "server_ms", "cpu_seconds", "peak_memory_bytes", "egress_bytes", "cost_shared"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would compute."""


def as_json(call: ToolCall) -> dict[str, Any]:
    """A receipt as JSON."""
    content = {name: getattr(call, name) for name in FIELDS}
    for name in ("id", "agent_id", "run", "server_id"):
        content[name] = None if content[name] is None else str(content[name])
    for name in ("created_at", "ended_at"):
        content[name] = None if content[name] is None else content[name].isoformat()
    return content


def json_lines(calls: Sequence[ToolCall]) -> str:
    return "".join(json.dumps(as_json(call), ensure_ascii=False) + "\n" for call in calls)


def csv_lines(calls: Sequence[ToolCall]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in as_json(call).values()] for call in calls)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


@dataclass(frozen=True)
class Kind:
    """A form of export: what it begins with, and how receipts are written in it."""

    suffix: str
    media_type: str
    head: str
    lines: Callable[[Sequence[ToolCall]], str]


KINDS = {
    "ndjson": Kind("jsonl", "application/jsonl", "", json_lines),
    "csv": Kind("csv", "text/csv", ",".join(FIELDS) + "\r\n", csv_lines),
}


async def streamed(user: User, query: CallQuery, kind: Kind) -> AsyncIterator[str]:
    """The export, some receipts at a time."""
    yield kind.head
    last: Place | None = None
    while rows := await database_sync_to_async(_piece)(user, query, last):
        last = Place.of(rows[-1])
        yield kind.lines(rows)


def _piece(user: User, query: CallQuery, last: Place | None) -> list[ToolCall]:
    calls = calls_for(user, query)
    return list((calls if last is None else calls.filter(last.newer)).order_by("created_at", "id")[:PIECE])
