"""Heartbeats of many toolboxes are collected for a moment and handed over together: that costs hardly more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from typing import Protocol
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError

from agentopia.lib.errors import Unavailable
from toolboxes.services.quiet_heartbeats import Beat

COLLECT_SECONDS = 0.01
MOST = 1000
"""In one batch. Those who come while it is full are told to come again, so that nothing piles up while the database is slow."""


class Apply[Outcome](Protocol):
    """The work on a batch, by toolbox what came of it; one that is missing must be taken by itself."""

    def __call__(self, *, beats: Collection[Beat]) -> Awaitable[Mapping[UUID, Outcome]]: ...


class TooMany(Unavailable):
    """More heartbeats wait than can be taken soon."""

    code = "too_many_heartbeats"


class _Batch[Outcome]:
    """Beats, one of each toolbox, and the work on them."""

    def __init__(self) -> None:
        self.beats: dict[UUID, Beat] = {}
        self.work: asyncio.Task[Mapping[UUID, Outcome]]


class Collector[Outcome]:
    """Keeps one batch that fills and one that is worked on; the next begins when that is done."""

    def __init__(self, apply: Apply[Outcome]) -> None:
        self._apply = apply
        self._filling: _Batch[Outcome] | None = None
        self._newest: asyncio.Task[Mapping[UUID, Outcome]] | None = None
        self._failed = False

    async def put(self, beat: Beat) -> Outcome | None:
        """Take it with others; None where it must be taken by itself. Raises what keeps the database from answering."""
        batch = self._batch()
        if beat.toolbox in batch.beats:
            return None
        if len(batch.beats) >= MOST:
            raise TooMany("Too many toolboxes report at once. Report again in a moment.")
        batch.beats[beat.toolbox] = beat
        # A toolbox that hangs up must not take the others with it.
        return (await asyncio.shield(batch.work)).get(beat.toolbox)

    def _batch(self) -> _Batch[Outcome]:
        if self._filling is not None and not self._filling.work.done():
            return self._filling
        if self._failed and self._newest is not None and not self._newest.done():
            raise OperationalError("the database did not answer just now, and it is being tried")
        batch = _Batch[Outcome]()
        batch.work = asyncio.create_task(self._work(batch, self._newest))
        self._filling, self._newest = batch, batch.work
        return batch

    async def _work(self, batch: _Batch[Outcome], before: asyncio.Task[Mapping[UUID, Outcome]] | None) -> Mapping[UUID, Outcome]:
        await asyncio.sleep(0 if self._failed else COLLECT_SECONDS)
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._filling = None
        try:
            outcomes = await self._apply(beats=list(batch.beats.values()))
        except (OperationalError, InterfaceError):
            self._failed = True
            raise
        except Error:  # one of them cannot be stored; nobody knows which, and the others must not suffer for it
            outcomes = {}
        self._failed = False
        return outcomes
