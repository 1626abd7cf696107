"""What a server printed: a bounded log on disk, and followers that can never hold the server up.

The file is the wire format itself (NDJSON of ``LogLine``), so reading is copying. Times are those of arrival and grow strictly
within a server, so ``since`` resumes without losing or repeating a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from dtma_wire import LogLine

logger = logging.getLogger(__name__)

FILE_BYTES = 5 * 1024 * 1024
"""The log is two files of this size: the current one and the one before."""
LINE_CHARACTERS = 16 * 1024
FOLLOWER_LINES = 10_000
LAST_LINES = 20
_MIN_SECRET = 6
"""Shorter values are not searched for: they would be found in everything."""


class Follower:
    """Lines for one reader. When it is too slow, the oldest are dropped and it is told how many."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=FOLLOWER_LINES)
        self._dropped = 0
        self._arrived = asyncio.Event()

    def add(self, lines: list[bytes]) -> None:
        """Queue lines; never waits."""
        self._dropped += max(0, len(self._lines) + len(lines) - FOLLOWER_LINES)
        self._lines.extend(lines)
        self._arrived.set()

    async def batches(self) -> AsyncIterator[bytes]:
        """All lines that are there, joined, whenever there are any."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = list(self._lines)
            self._lines.clear()
            if self._dropped:
                batch.insert(0, _encode(_time_of(batch[0]), "dtma", f"{self._dropped} lines dropped: this reader was too slow."))
                self._dropped = 0
            yield b"".join(batch)


class LogBook:
    """The log of one server."""

    def __init__(self, directory: Path, server_id: str) -> None:
        self._path = directory / f"{server_id}.ndjson"
        self._older = directory / f"{server_id}.ndjson.1"
        self._file: int | None = _open_private(self._path)
        self._size = self._path.stat().st_size
        self._followers: set[Follower] = set()
        self._secrets: list[tuple[str, str]] = []
        self._last: deque[LogLine] = deque(maxlen=LAST_LINES)
        self._latest = self._latest_on_disk()

    @property
    def last(self) -> tuple[LogLine, ...]:
        """The last lines of the present container."""
        return tuple(self._last)

    @property
    def latest(self) -> datetime:
        """When the last line arrived."""
        return self._latest

    def hide(self, secrets: dict[str, SecretStr]) -> None:
        """Values that must not appear in the log, whoever prints them; those hidden before stay so."""
        parts = [(line, name) for name, secret in secrets.items() for line in secret.get_secret_value().splitlines()]
        known = {*self._secrets, *(part for part in parts if len(part[0]) >= _MIN_SECRET)}
        self._secrets = sorted(known, key=lambda part: -len(part[0]))

    def begin(self) -> None:
        """A new container prints from now on."""
        self._last.clear()

    def add(self, stream: str, texts: Iterable[str], at: datetime | None = None) -> None:
        """Write lines that arrived just now (or ``at``)."""
        encoded = []
        for printed in texts:
            self._latest = max(at or datetime.now(UTC), self._latest + timedelta(microseconds=1))
            text = self._clean(printed)
            if stream != "dtma":
                self._last.append(LogLine(ts=self._latest, stream=stream, text=text))
            encoded.append(_encode(self._latest, stream, text))
        if not encoded or self._file is None:
            return
        block = b"".join(encoded)
        if self._size + len(block) > FILE_BYTES and self._size:
            self._file = self._rotate()
        try:
            self._size += os.write(self._file, block)
        except OSError as error:  # a full disk must not take the server down
            logger.error("the log %s cannot be written: %s", self._path, error.strerror)
        for follower in self._followers:
            follower.add(encoded)

    def remark(self, text: str) -> None:
        """A line of DTMA's own."""
        self.add("dtma", (text,))

    @contextmanager
    def follow(self) -> Iterator[Follower]:
        """Hear of every line from now on."""
        follower = Follower()
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def snapshot(self) -> list[tuple[int, int]]:
        """Open descriptors and sizes of what is on disk now, older first; rotation does not disturb them. ``read`` closes them."""
        pieces = []
        for path in (self._older, self._path):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            pieces.append((descriptor, os.fstat(descriptor).st_size))
        return pieces

    def recent(self, since: datetime) -> list[LogLine]:
        """The lines on disk after a time."""
        return [LogLine.model_validate_json(line) for line in read(self.snapshot(), None, since).splitlines()]

    def close(self) -> None:
        """Close the file; what is printed later is lost."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Delete the log."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._older.unlink(missing_ok=True)

    def _clean(self, text: str) -> str:
        for value, name in self._secrets:
            if value in text:
                text = text.replace(value, f"[{name}]")
        return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]}… ({len(text)} characters)"

    def _rotate(self) -> int:
        self.close()
        self._path.replace(self._older)
        self._size = 0
        return _open_private(self._path)

    def _latest_on_disk(self) -> datetime:
        lines = read(self.snapshot(), 1, None).splitlines()
        return _time_of(lines[0]) if lines else datetime.fromtimestamp(0, UTC)


def read(pieces: list[tuple[int, int]], tail: int | None, since: datetime | None) -> bytes:
    """The lines of a snapshot that are later than ``since``, at most the last ``tail`` of them. It may be run in a thread."""
    try:
        content = b"".join(os.pread(descriptor, size, 0) for descriptor, size in pieces)
    finally:
        for descriptor, _ in pieces:
            os.close(descriptor)
    lines = content.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):  # the writer was killed in the middle of it
        lines.pop()
    if since is not None:
        after = _stamp(since).encode()
        lines = [line for line in lines if line[_STAMP] > after]
    if tail is not None:
        lines = lines[max(0, len(lines) - tail) :]
    return b"".join(lines)


_STAMP = slice(len('{"ts":"'), len('{"ts":"') + len("2026-01-01T00:00:00.000000Z"))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time_of(line: bytes) -> datetime:
    return datetime.fromisoformat(line[_STAMP].decode())


def _encode(time: datetime, stream: str, text: str) -> bytes:
    return f'{{"ts":"{_stamp(time)}","stream":"{stream}","text":{json.dumps(text)}}}\n'.encode()


def _open_private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
