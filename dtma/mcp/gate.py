"""Who may be inside at the same time: many, or one alone."""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """Lets calls in, in the order in which they came; one that must be alone waits until all others have left, and keeps others out."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._queue: deque[tuple[bool, asyncio.Future[None]]] = deque()

    def enter_now(self, *, alone: bool) -> bool:
        """Go in without waiting, if that is possible."""
        if self._queue or not self._admits(alone):
            return False
        self._take(alone)
        return True

    async def enter(self, *, alone: bool) -> None:
        """Return when this one may go in. Who is cancelled while it waits is not inside."""
        if self.enter_now(alone=alone):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((alone, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.remove((alone, turn))
                self._admit()
            else:  # its turn came in the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """One that was inside has left."""
        self._inside -= 1
        if self._inside == 0:
            self._alone = False
        self._admit()

    def shut(self) -> None:
        """Nobody joins the one that is inside."""
        if self._inside == 1:
            self._alone = True

    def _admits(self, alone: bool) -> bool:
        return self._inside == 0 or not (alone or self._alone)

    def _take(self, alone: bool) -> None:
        self._inside += 1
        self._alone = self._alone or alone

    def _admit(self) -> None:
        while self._queue and self._admits(self._queue[0][0]):
            alone, turn = self._queue.popleft()
            self._take(alone)
            turn.set_result(None)
