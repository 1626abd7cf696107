"""Reading event streams (WHATWG HTML, server-sent events), as far as MCP uses them. An event can be as large as a message."""

from __future__ import annotations

import re
from dataclasses import dataclass

FEW_LINES = 16
"""So many lines of an event are looked at one by one. Their ends are found fifty times faster than a pattern, and data has few of them."""
_BLANK_LF = re.compile(rb"\n\r?\n")
_BLANK_CR = re.compile(rb"\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")
BARE_CR = re.compile(rb"\r(?!\n)")


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
        if not self._buffer and _end(chunk, 0) == len(chunk):  # one event, as nearly always
            return [chunk] if chunk else []
        self._buffer += chunk
        blocks: list[bytes] = []
        start = 0
        while end := _end(self._buffer, max(start, self._searched)):
            with memoryview(self._buffer) as view:
                blocks.append(bytes(view[start:end]))
            start = self._searched = end
        del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - 3)  # the longest end has four bytes
        if len(self._buffer) > self._limit:
            raise EventTooLarge
        return blocks


def _end(data: bytes | bytearray, start: int) -> int:
    """Where the first block ends; 0 where none does."""
    at = _followed(data, start, len(data), b"\n", (b"\n", b"\r\n"), _BLANK_LF)
    end = 0 if at < 0 else data.index(b"\n", at + 1) + 1
    at = _followed(data, start, end or len(data), b"\r", (b"\r",), _BLANK_CR)
    return end if at < 0 else at + 2


def _followed(data: bytes | bytearray, at: int, end: int, mark: bytes, by: tuple[bytes, ...], pattern: re.Pattern[bytes]) -> int:
    """Where the first mark is that is followed so, as the pattern says; -1 if there is none."""
    for _ in range(FEW_LINES):
        at = data.find(mark, at, end)
        if at < 0 or data.startswith(by, at + 1):
            return at
        at += 1
    found = pattern.search(data, at, end)
    return found.start() if found else -1


def event_of(block: bytes) -> Event:
    """What a block says. Comments and unknown fields count for nothing."""
    kind, data, event_id, retry = "message", [], None, None
    for line in _lines(block):
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


def _lines(block: bytes) -> list[bytes]:
    """A pattern looks at each byte of what can be large; looking for one is done fifty times faster."""
    lines = block.split(b"\n")
    if b"\r" not in block:
        return lines
    lines = [line.removesuffix(b"\r") for line in lines]
    return _LINE_END.split(block) if any(b"\r" in line for line in lines) else lines
