"""The lines of one server's log on disk: the current file, and the one before it.

Every file but the very first begins with a note that older lines are gone. That is true once no file is before it, and not read sooner.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from dtma.observing.log_lines import GONE, MISSING, encode, end_of, time_of
from dtma.observing.snapshot import Piece, Snapshot

logger = logging.getLogger(__name__)

FILE_BYTES = 16 * 1024 * 1024
"""The log is two files of this size: at least 100,000 lines of 100 characters are kept."""


class LogFile:
    """Both files. Whole lines alone are ever written to them, and their times grow strictly."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.ndjson"
        self._older = directory / f"{name}.ndjson.1"
        self._file: int | None = None
        self._size = 0
        self._missing = 0
        """Lines that could not be written, since the last one that could."""

    @property
    def latest(self) -> int:
        """The time of the last line; 0 if there is none."""
        return max(_last_time(self._older), _last_time(self._path))

    def write(self, block: bytes, lines: int) -> None:
        """Append; what does not fit on a full disk is lost, which must neither take the server down nor cut a line.

        Once there is room again, a note says how much is missing.
        """
        if self._missing:
            block = encode("dtma", [MISSING.format(self._missing)], time_of(block) - 1) + block
        try:
            block = self._make_room(block)
            assert self._file is not None
            if os.write(self._file, block) < len(block):
                os.ftruncate(self._file, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._missing:  # once for every time that the disk is full
                logger.error("the log %s cannot be written: %s", self._path, error.strerror)
            self._missing += lines
            self.close()
        else:
            self._size += len(block)
            self._missing = 0

    def snapshot(self) -> Snapshot:
        """What is on disk now; rotation does not disturb it. Close it."""
        pieces: list[Piece] = []
        for path in (self._older, self._path):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            piece = Piece(descriptor, 0, end_of(descriptor)[0])
            pieces.append(piece.without_first_note() if pieces else piece)
        return Snapshot(pieces)

    def close(self) -> None:
        """Let go of the file; writing opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Delete both."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._older.unlink(missing_ok=True)

    def _make_room(self, block: bytes) -> bytes:
        """Have a file open that takes this, and return what to write to it; raises ``OSError``.

        Opening it removes the end of a line that was cut, by a full disk or a killed writer.
        """
        if self._file is None:
            self._file = _open_private(self._path)
            self._size, _ = end_of(self._file)
            os.ftruncate(self._file, self._size)
        if not self._size or self._size + len(block) <= FILE_BYTES:
            return block
        self.close()
        self._path.replace(self._older)
        self._file = _open_private(self._path)
        self._size = 0
        return encode("dtma", [GONE], time_of(block) - 1) + block


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
