"""The log of a container that ran on while DTMA was away: what it printed meanwhile, then what it prints now."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

from dtma.engine import Engine, EngineRefused
from dtma.observing.log_lines import microseconds, moment_of
from dtma.observing.logs import LogBook
from dtma.observing.seam import Line, between

MOST_LINES = 5000
"""At most so many lines of each stream are taken from the engine's log."""
_KNOWN_LINES = 1000
_BEFORE = 1_000_000
"""The engine's time of a line is a little before its arrival here, in microseconds."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_CATCH_UP_SECONDS = 0.5


class Gap:
    """Made before DTMA attaches; holds what arrives until the gap before it is filled."""

    def __init__(self, log: LogBook) -> None:
        self._log = log
        self._attached_at = time.time_ns() // 1000
        self._held: list[tuple[str, list[str]]] = []
        self._arrived: dict[str, list[Line]] = {"stdout": [], "stderr": []}
        self._known = {stream: self._log.tail(stream, _KNOWN_LINES) for stream in self._arrived}

    def add(self, stream: str, texts: list[str]) -> None:
        """Hold lines that arrived just now."""
        self._held.append((stream, texts))
        now = time.time_ns() // 1000
        self._arrived[stream] += [Line(now, text) for text in self._log.cleaned(texts)]

    async def fill(self, engine: Engine, container: str, *, messages: bool) -> None:
        """Log what is missing, out of the engine's own log, and what was held. ``messages``: standard output is MCP, which is no log."""
        missing: list[tuple[str, Line]] = []
        try:
            for stream in self._arrived:
                lines = await self._missing(engine, container, stream, messages=messages and stream == "stdout")
                missing += [(stream, line) for line in lines]
        except EngineRefused as refusal:
            self._log.remark(f"What was printed while DTMA was away cannot be read: {refusal}")
        missing.sort(key=lambda one: one[1].at)
        if missing:  # with the times of then, by which a later DTMA finds its seam
            self._log.add("dtma", (f"{len(missing)} lines from while DTMA was away:",), moment_of(missing[0][1].at))
        for stream, line in missing:
            self._log.add(stream, (line.text,), moment_of(line.at))
        for stream, texts in self._held:
            self._log.add(stream, texts)

    async def _missing(self, engine: Engine, container: str, stream: str, *, messages: bool) -> list[Line]:
        known = self._known[stream]
        # Where the clock was set back, its time says nothing of what came later.
        since = moment_of(known[0].at - _BEFORE) if known and known[-1].at <= self._attached_at else _LONG_AGO
        lines = await engine.containers.printed(container, stream, since, _KNOWN_LINES + MOST_LINES)
        printed = self._printed(lines, messages=messages)
        end = time.monotonic() + _CATCH_UP_SECONDS
        while True:
            missing = between(known, printed, self._arrived[stream], self._attached_at)
            # What the engine has logged since DTMA attached is on its way here, unless it came in the moment before.
            if not missing or missing[-1].at < self._attached_at or time.monotonic() > end:
                return missing[-MOST_LINES:]
            await asyncio.sleep(_CATCH_UP_SECONDS / 20)

    def _printed(self, lines: list[tuple[datetime, str]], *, messages: bool) -> list[Line]:
        kept = [(at, text) for at, text in lines if text and not (messages and _looks_like_rpc(text))]
        texts = self._log.cleaned([text for _, text in kept])
        return [Line(microseconds(at), text) for (at, _), text in zip(kept, texts, strict=True)]


def _looks_like_rpc(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return text.startswith('{"jsonrpc"')  # the engine's log may begin or end in the middle of a long line
    first = message[0] if isinstance(message, list) and message else message
    return isinstance(first, dict) and first.get("jsonrpc") == "2.0"
