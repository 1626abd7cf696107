"""How often pages are sent what has gathered: as often as anybody reads while few are open, less often where there are so many that this
process would fall behind. What waits is sent in one go, so that a page is late by a pause, and never by a queue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHORTEST, LONGEST = 0.03, 0.4
"""In seconds, for texts: 30 times a second is as smooth as anybody reads."""
LAGS = 4.0
"""The event loop is as late as it has work waiting: so many times that is a pause."""
BYTES_PER_SECOND = 300_000
"""What grows is sent again whole; a long block of it less often."""
_WEIGHT = 0.1


class Pace:
    """Of one kind of thing that all pages of a process are sent: how many pages are at it, what it costs once, and how late the event loop
    is. A page rests from ``shortest`` to ``longest`` seconds, so that no more than a ``share`` of the process's time goes into it.
    """

    def __init__(self, shortest: float = SHORTEST, longest: float = LONGEST, share: float = 0.35) -> None:
        self.shortest, self.longest, self.share = shortest, longest, share
        self.active = 0
        self.cost = self.lag = 0.0

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around sending one page what is new, and the pause after it; or around all of the time that it may be sent something."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Around what is done for one page."""
        began = time.perf_counter()
        yield
        self.cost += _WEIGHT * (time.perf_counter() - began - self.cost)

    def pause(self, size: int) -> float:
        """How long a page rests that was just sent so many characters."""
        wanted = [self.shortest + size / BYTES_PER_SECOND]
        if self.active > 1:
            wanted += [self.active * self.cost / self.share, LAGS * self.lag]
        return min(self.longest, max(wanted))

    async def rest(self, size: int) -> None:
        """Wait so long; how much longer it took tells how late the event loop is."""
        pause, began = self.pause(size), time.perf_counter()
        await asyncio.sleep(pause)
        self.lag += _WEIGHT * (max(0.0, time.perf_counter() - began - pause) - self.lag)


pace = Pace()
"""Of texts and cards as they change."""
outlines = Pace(shortest=0.05, longest=1.0, share=0.2)
"""Of looking which turns there are, which every change of the owner's things asks for."""
lists = Pace(shortest=0.05, longest=2.0, share=0.1)
"""Of the list of conversations beside them: nobody waits for it."""
