"""One reader of a log that goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import closing

from dtma.observing.log_file import LogFile
from dtma.observing.log_lines import encode, last_of, time_of, without_notes

FOLLOWER_BYTES = 1024 * 1024
"""What is queued for a reader. One that is further behind is given what is on disk."""
_AT_ONCE_BYTES = 256 * 1024


class Follower:
    """Lines for one reader. What is neither queued nor on disk any more when its turn comes is lost, and the reader is told how much."""

    def __init__(self, file: LogFile, latest: int) -> None:
        """``latest``: the time of the last line that the reader has, or gets in another way."""
        self._file = file
        self._passed = latest
        self._blocks: deque[tuple[bytes, int]] = deque()
        self._size = 0
        self._left_out = 0
        """Lines that are queued no more, since the last one that was passed on."""
        self._arrived = asyncio.Event()

    def add(self, block: bytes, lines: int) -> None:
        """Queue so many lines; never waits."""
        self._blocks.append((block, lines))
        self._size += len(block)
        while self._size > FOLLOWER_BYTES and len(self._blocks) > 1:
            left_out, count = self._blocks.popleft()
            self._size -= len(left_out)
            self._left_out += count
        self._arrived.set()

    async def batches(self) -> AsyncGenerator[bytes]:
        """What is there, in pieces of a moderate size, whenever there is anything."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._blocks:
                if not self._left_out:
                    yield self._take()
                    continue
                with closing(self._from_disk()) as pieces:
                    for piece in pieces:
                        yield piece

    def _take(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while self._blocks and size < _AT_ONCE_BYTES:
            block, _ = self._blocks.popleft()
            pieces.append(block)
            size += len(block)
        self._size -= size
        self._passed = time_of(last_of(pieces[-1]))
        return b"".join(pieces)

    def _from_disk(self) -> Generator[bytes]:
        """What lies between the last line that was passed on and the first that is queued; what is missing of it is said first."""
        expected, self._left_out = self._left_out, 0
        since, before = self._passed, time_of(self._blocks[0][0])
        with closing(self._file.snapshot().selected(since=since, before=before)) as stored:
            missing = expected - sum(without_notes(block).count(b"\n") for block in stored.blocks())
            first = next(filter(None, map(without_notes, stored.blocks())), b"")
            if missing > 0:
                # With the time of the last one that is missing: whoever resumes from there loses no other.
                self._passed = (time_of(first) if first else before) - 1
                yield encode("dtma", [f"{missing} lines dropped: this reader was too slow."], self._passed)
            for block in stored.blocks():
                if lines := without_notes(block):
                    self._passed = time_of(last_of(lines))
                    yield lines
