"""Server-sent events as bytes: blocks that end with an empty line, each an event or a comment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents.relay import DtmaFault, RawAnswer
from mcp_protocol.event_streams import Blocks, EventTooLarge, event_of
from mcp_protocol.messages import Message, parse

MAX_EVENT_BYTES = 96 * 1024 * 1024


async def blocks_of(answer: RawAnswer) -> AsyncIterator[bytes]:
    """The whole blocks of a stream, each with its empty line; what broke off is left out. Raises `DtmaError`."""
    blocks = Blocks(MAX_EVENT_BYTES)
    try:
        async for piece in answer.pieces():
            for block in blocks.feed(piece):
                yield block
    except EventTooLarge:
        answer.leave()
        raise DtmaFault("The server sent an event that is too large.") from None


def data_of(block: bytes) -> bytes:
    """The data of a block; empty for a comment, or an event that says nothing."""
    return parts_of(block)[1]


def parts_of(block: bytes) -> tuple[bytes, bytes]:
    """The id of an event and its data, each empty where it has none."""
    said = event_of(block)
    return (said.id or "").encode(), said.data


def event(data: bytes, event_id: bytes = b"") -> bytes:
    """A message as an event."""
    head = b"id: " + event_id + b"\n" if event_id else b""
    return head + b"event: message\ndata: " + data + b"\n\n"


def message_of(data: bytes) -> Message | None:
    """The message of an event; None where it is none."""
    try:
        said: Any = parse(data)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("jsonrpc") == "2.0" else None
