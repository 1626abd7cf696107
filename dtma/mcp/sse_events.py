"""Reading event streams (WHATWG HTML, server-sent events), as far as MCP uses them."""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(Exception):
    """An event is larger than its reader takes."""


@dataclass(frozen=True)
class Event:
    """One event. ``retry_ms`` is how long a client shall wait before it comes back, where the server said so."""

    kind: str
    data: bytes
    id: str | None
    retry_ms: int | None


class Blocks:
    """Cuts a stream into the blocks between blank lines, each with its end. What is left when the stream ends is in ``rest``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    @property
    def rest(self) -> bytes:
        """The bytes of the block that is not complete yet."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what arrived; returns the blocks that are complete now. Raises ``EventTooLarge``."""
        self._buffer += chunk
        blocks: list[bytes] = []
        start = 0
        while end := BLANK_LINE.search(self._buffer, max(start, self._searched)):
            blocks.append(bytes(self._buffer[start : end.end()]))
            start = self._searched = end.end()
        del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - 3)  # the longest end has four bytes
        if len(self._buffer) > self._limit:
            raise EventTooLarge
        return blocks


def event_of(block: bytes) -> Event:
    """What a block says. Comments and unknown fields count for nothing."""
    kind, data, event_id, retry = "message", [], None, None
    for line in _LINE_END.split(block):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            event_id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit():
            retry = int(value)
    return Event(kind, b"\n".join(data), event_id, retry)
