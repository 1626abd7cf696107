"""The observed states of all servers, and who wants to hear of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from dtma_wire import ServerState

_EPOCH = 2**32


class Watch:
    """Changed states in order of change. A reader that is slow sees a server's latest state, not every one in between."""

    def __init__(self, states: dict[str, ServerState]) -> None:
        self._pending = dict(states)
        self._changed = asyncio.Event()
        if states:
            self._changed.set()

    def add(self, state: ServerState) -> None:
        """Queue a state, in the place of an older one of the same server."""
        self._pending.pop(state.id, None)
        self._pending[state.id] = state
        self._changed.set()

    def stir(self) -> None:
        """As if something were queued."""
        self._changed.set()

    def clear(self) -> None:
        """Forget what is queued."""
        self._pending.clear()
        self._changed.clear()

    async def change(self) -> None:
        """Return once anything is queued."""
        await self._changed.wait()

    async def changes(self) -> AsyncIterator[ServerState]:
        """Endless."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                yield self._pending.pop(next(iter(self._pending)))


class Board:
    """Stamps every change with a revision that grows over restarts of DTMA too."""

    def __init__(self, epoch: int) -> None:
        self.revision = epoch * _EPOCH
        """The newest revision given."""
        self._states: dict[str, ServerState] = {}
        self._watches: set[Watch] = set()

    def publish(self, state: ServerState) -> ServerState:
        """Take a new state; returns it with its revision."""
        state = self._stamp(state)
        self._states[state.id] = state
        return state

    def retire(self, state: ServerState) -> ServerState:
        """Take the last state of a server that is gone."""
        state = self._stamp(state)
        self._states.pop(state.id, None)
        return state

    def stir(self) -> None:
        """Something else changed that whoever waits for changes wants to tell."""
        for watch in self._watches:
            watch.stir()

    @property
    def states(self) -> list[ServerState]:
        """All servers, by id."""
        return [self._states[server_id] for server_id in sorted(self._states)]

    @contextmanager
    def watch(self, *, current: bool) -> Iterator[Watch]:
        """Changes from now on; with ``current``, all present states first."""
        watch = Watch(self._states if current else {})
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def _stamp(self, state: ServerState) -> ServerState:
        self.revision += 1
        state = state.model_copy(update={"revision": self.revision})
        for watch in self._watches:
            watch.add(state)
        return state
