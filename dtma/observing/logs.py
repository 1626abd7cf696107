"""What a server printed: a bounded log on disk, and followers that can never hold the server up.

The file is the wire format itself (NDJSON of ``LogLine``), so reading is copying. Times are those of arrival and grow strictly
within a server, so ``since`` resumes without losing or repeating a line.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from dtma.observing.follower import Follower
from dtma.observing.log_file import LogFile
from dtma.observing.log_lines import clipped, encode, masked, microseconds, moment_of, of_stream, time_of
from dtma.observing.seam import Line
from dtma.observing.snapshot import Snapshot
from dtma_wire import LogLine

LAST_LINES = 20
_BLOCK_CHARACTERS = 256 * 1024
"""Written at once; in JSON that is at most six times as many bytes."""
_MIN_SECRET = 6
"""Shorter values are not searched for: they would be found in everything."""


class LogBook:
    """The log of one server."""

    def __init__(self, directory: Path, server_id: str) -> None:
        self._file = LogFile(directory, server_id)
        self._closed = False
        self._followers: set[Follower] = set()
        self._secrets: dict[str, str] = {}
        self._last: deque[tuple[int, str, str]] = deque(maxlen=LAST_LINES)
        self._latest = self._file.latest

    @property
    def last(self) -> tuple[LogLine, ...]:
        """The last lines of the present container."""
        return tuple(LogLine(ts=moment_of(at), stream=stream, text=text) for at, stream, text in self._last)

    @property
    def latest(self) -> datetime:
        """When the last line arrived."""
        return moment_of(self._latest)

    def hide(self, secrets: dict[str, SecretStr]) -> None:
        """Values that must not appear in the log, whoever prints them; those hidden before stay so."""
        for name, secret in secrets.items():
            parts = secret.get_secret_value().splitlines()
            self._secrets.update((part, name) for part in parts if len(part) >= _MIN_SECRET)

    def cleaned(self, texts: list[str]) -> list[str]:
        """Lines as they are written: without secrets, and none too long."""
        return clipped(masked(texts, self._secrets) if self._secrets else texts)

    def begin(self) -> None:
        """A new container prints from now on."""
        self._last.clear()

    def add(self, stream: str, texts: Iterable[str], at: datetime | None = None) -> None:
        """Write lines that arrived just now (or ``at``)."""
        printed = list(texts)
        if printed:
            for block in _blocks(self.cleaned(printed)):
                self._add(stream, block, at)

    def _add(self, stream: str, texts: list[str], at: datetime | None) -> None:
        first = max(time.time_ns() // 1000 if at is None else microseconds(at), self._latest + 1)
        self._latest = first + len(texts) - 1
        if stream != "dtma":
            recent = texts[-LAST_LINES:]
            self._last.extend((self._latest - len(recent) + 1 + number, stream, text) for number, text in enumerate(recent))
        block = encode(stream, texts, first)
        if self._closed:
            return
        self._file.write(block, len(texts))
        for follower in self._followers:
            follower.add(block, len(texts))

    def remark(self, text: str) -> None:
        """A line of DTMA's own."""
        self.add("dtma", (text,))

    @contextmanager
    def follow(self) -> Iterator[Follower]:
        """Hear of every line from now on."""
        follower = Follower(self._file, self._latest)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def snapshot(self, *, tail: int | None = None, since: datetime | None = None, before: datetime | None = None) -> Snapshot:
        """The last ``tail`` of the lines on disk that are later than ``since`` and earlier than ``before``. Close it."""
        after, until = (None if moment is None else microseconds(moment) for moment in (since, before))
        return self._file.snapshot().selected(tail=tail, since=after, before=until)

    def tail(self, stream: str, count: int) -> list[Line]:
        """The last lines of one stream that are on disk."""
        found: list[Line] = []
        own = of_stream(stream)
        with closing(self.snapshot()) as stored:
            for block in stored.blocks_backwards():
                lines = [line for line in block.splitlines() if own in line] if own in block else []
                found = [Line(time_of(line), json.loads(line)["text"]) for line in lines[-count:]] + found
                if len(found) >= count:
                    break
        return found[max(0, len(found) - count) :]

    def close(self) -> None:
        """Close the file; what is printed later is lost."""
        self._closed = True
        self._file.close()

    def remove(self) -> None:
        """Delete the log."""
        self._closed = True
        self._file.remove()


def _blocks(texts: list[str]) -> list[list[str]]:
    if len(texts) == 1 or sum(map(len, texts)) <= _BLOCK_CHARACTERS:
        return [texts]
    half = len(texts) // 2
    return [*_blocks(texts[:half]), *_blocks(texts[half:])]
