"""What a server printed: a bounded log on disk, and followers that can never hold the server up.

The file is the wire format itself (NDJSON of ``LogLine``), so reading is copying. Times are those of arrival and grow strictly
within a server, so ``since`` resumes without losing or repeating a line.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from dtma.observing.follower import Follower
from dtma.observing.log_lines import STAMPED, after, clipped, encode, end_of, masked, microseconds, moment_of, time_of
from dtma.observing.seam import Line
from dtma_wire import LogLine

logger = logging.getLogger(__name__)

FILE_BYTES = 5 * 1024 * 1024
"""The log is two files of this size: the current one and the one before."""
LAST_LINES = 20
_BLOCK_CHARACTERS = 256 * 1024
"""Written at once; in JSON that is at most six times as many bytes."""
_MIN_SECRET = 6
"""Shorter values are not searched for: they would be found in everything."""


class LogBook:
    """The log of one server."""

    def __init__(self, directory: Path, server_id: str) -> None:
        self._path = directory / f"{server_id}.ndjson"
        self._older = directory / f"{server_id}.ndjson.1"
        self._file: int | None = None
        self._size = 0
        self._closed = False
        self._missing = 0
        """Lines that could not be written, since the last one that could."""
        self._followers: set[Follower] = set()
        self._secrets: dict[str, str] = {}
        self._last: deque[tuple[int, str, str]] = deque(maxlen=LAST_LINES)
        self._latest = max(_last_time(self._older), _last_time(self._path))

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
        self._write(block, len(texts))
        for follower in self._followers:
            follower.add(block, len(texts))

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

    def tail(self, stream: str, count: int) -> list[Line]:
        """The last lines of one stream that are on disk."""
        own = f'"stream":"{stream}"'.encode()
        lines = [line for line in read(self.snapshot(), None, None).splitlines() if line.startswith(own, len(STAMPED))]
        return [Line(time_of(line), json.loads(line)["text"]) for line in lines[-count:]]

    def close(self) -> None:
        """Close the file; what is printed later is lost."""
        self._closed = True
        self._let_go()

    def remove(self) -> None:
        """Delete the log."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._older.unlink(missing_ok=True)

    # --- the file ---

    def _write(self, block: bytes, lines: int) -> None:
        """Append to the file; what does not fit on a full disk is lost, which must neither take the server down nor cut a line.

        Once there is room again, a remark says how much is missing.
        """
        if self._missing:
            remark = f"Lines missing here: {self._missing}. They could not be written."
            block = encode("dtma", [remark], time_of(block) - 1) + block
        try:
            descriptor = self._with_room_for(len(block))
            if os.write(descriptor, block) < len(block):
                os.ftruncate(descriptor, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._missing:  # once for every time that the disk is full
                logger.error("the log %s cannot be written: %s", self._path, error.strerror)
            self._missing += lines
            self._let_go()
        else:
            self._size += len(block)
            self._missing = 0

    def _with_room_for(self, size: int) -> int:
        """The open file; raises ``OSError``. Opening it removes the end of a line that was cut, by a full disk or a killed writer."""
        if self._file is None:
            self._file = _open_private(self._path)
            self._size, _ = end_of(self._file)
            os.ftruncate(self._file, self._size)
        if self._size and self._size + size > FILE_BYTES:
            self._let_go()
            self._path.replace(self._older)
            self._file = _open_private(self._path)
            self._size = 0
        return self._file

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read(pieces: list[tuple[int, int]], tail: int | None, since: datetime | None) -> bytes:
    """The lines of a snapshot that are later than ``since``, at most the last ``tail`` of them. It may be run in a thread."""
    lines: list[bytes] = []
    try:
        for descriptor, size in pieces:
            piece = os.pread(descriptor, size, 0)
            lines += piece[: piece.rfind(b"\n") + 1].splitlines(keepends=True)  # without the end of a line that is being written
    finally:
        for descriptor, _ in pieces:
            os.close(descriptor)
    if since is not None:
        lines = after(lines, since)
    if tail is not None:
        lines = lines[max(0, len(lines) - tail) :]
    return b"".join(lines)


def _blocks(texts: list[str]) -> list[list[str]]:
    if len(texts) == 1 or sum(map(len, texts)) <= _BLOCK_CHARACTERS:
        return [texts]
    half = len(texts) // 2
    return [*_blocks(texts[:half]), *_blocks(texts[half:])]


def _last_time(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return time_of(end_of(descriptor)[1])
    except ValueError:  # there is none
        return 0
    finally:
        os.close(descriptor)


def _open_private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
