"""The steps of one attempt to bring a server up, for any number of followers, each from the first step on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from dtma_wire import Progress, ServerState, Settled, Step, StepState

MAX_DETAILS = 400
"""A build may say more; what is said beyond that is left out until the next step."""


class Attempt:
    """Recorded steps and, at the end, how it settled."""

    def __init__(self) -> None:
        self._events: list[Progress] = []
        self._settled: Settled | None = None
        self._changed = asyncio.Event()
        self._current: Step | None = None

    @property
    def settled(self) -> Settled | None:
        """How it ended, None while it goes on."""
        return self._settled

    def report(self, step: Step, state: StepState, detail: str = "", fraction: float | None = None) -> None:
        """Record that a step began, went on, ended or failed."""
        if self._settled is not None or (state is StepState.RUNNING and len(self._events) >= MAX_DETAILS and step is self._current):
            return
        self._current = step if state is StepState.RUNNING else None
        self._events.append(Progress(step=step, state=state, at=datetime.now(UTC), detail=detail, fraction=fraction))
        self._wake()

    def settle(self, ready: bool, server: ServerState) -> None:
        """End it; the step that was under way fails with it unless the server is ready. Only the first time counts."""
        if self._settled is not None:
            return
        if not ready and self._current is not None:
            self.report(self._current, StepState.FAILED, server.reason)
        self._settled = Settled(ready=ready, server=server)
        self._wake()

    async def finished(self) -> Settled:
        """Wait for the end."""
        while self._settled is None:
            await self._changed.wait()
        return self._settled

    async def follow(self) -> AsyncIterator[Progress | Settled]:
        """All steps so far, then further ones as they happen; ``Settled`` comes last."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._events):
                yield self._events[seen]
                seen += 1
            if self._settled is not None:
                yield self._settled
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
