"""Small things that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from dtma.tasks import background


class Errands:
    """Runs them to their end; if one fails, the log says so."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[None, None, None], what: str) -> None:
        """Begin one. ``what`` names it in the log."""
        task = background(work, what)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
