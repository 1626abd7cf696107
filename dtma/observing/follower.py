"""One reader of a log that goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from dtma.observing.log_lines import encode, last_of, time_of

FOLLOWER_BYTES = 32 * 1024 * 1024
"""What a reader may be behind: about 200,000 lines of 100 characters."""
_AT_ONCE_BYTES = 256 * 1024


class Follower:
    """Lines for one reader. When it is too slow, the oldest are dropped and it is told how many."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[bytes, int]] = deque()
        self._size = 0
        self._dropped = 0
        self._dropped_at = 0
        self._arrived = asyncio.Event()

    def add(self, block: bytes, lines: int) -> None:
        """Queue so many lines; never waits."""
        self._blocks.append((block, lines))
        self._size += len(block)
        while self._size > FOLLOWER_BYTES and len(self._blocks) > 1:
            dropped, count = self._blocks.popleft()
            self._size -= len(dropped)
            self._dropped += count
            self._dropped_at = time_of(last_of(dropped))
        self._arrived.set()

    async def batches(self) -> AsyncIterator[bytes]:
        """What is there, in pieces of a moderate size, whenever there is anything."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._blocks:
                yield self._take()

    def _take(self) -> bytes:
        pieces = []
        size = 0
        if self._dropped:
            # With the time of the last one that is missing: whoever resumes from there loses no other.
            pieces.append(encode("dtma", [f"{self._dropped} lines dropped: this reader was too slow."], self._dropped_at))
            self._dropped = 0
        while self._blocks and size < _AT_ONCE_BYTES:
            block, _ = self._blocks.popleft()
            pieces.append(block)
            size += len(block)
        self._size -= size
        return b"".join(pieces)
