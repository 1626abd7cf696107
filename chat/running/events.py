"""The events of the runs of one event loop on their way into PostgreSQL, and from there to whoever watches.

What queues while a write is under way goes with the next one, of all runs at once, and adjacent pieces of one text are joined: an idle
system writes each piece at once, and many runs do not drown the database. Only who holds a run's lease writes: who lost it is told so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from agentopia.lib.beside import beside
from agentopia.lib.leases import held
from chat.live import Told, tell, told
from chat.models import Run, RunEvent
from chat.running.database import in_database
from chat.running.storable import storable

logger = logging.getLogger(__name__)

DELTAS = ("text.delta", "thinking.delta")
LONGEST_DELTA = 16_000
MOST_AT_ONCE = 200
"""Events of one run in one write."""

# The lock makes a claim by another worker wait for this, or this for that: then the row is no longer what is asked for.
_INSERT = """
INSERT INTO chat_runevent (run_id, seq, kind, data, created_at)
SELECT e.run, e.seq, e.kind, e.data, e.at
FROM jsonb_to_recordset(%s::jsonb) AS e(run uuid, attempt bigint, seq integer, kind text, data jsonb, at timestamptz)
JOIN (SELECT id, attempts FROM chat_run WHERE id = ANY(%s::uuid[]) AND status = 'running' ORDER BY id FOR NO KEY UPDATE) r
ON r.id = e.run AND r.attempts = e.attempt
RETURNING run_id
"""

type Event = tuple[str, dict[str, Any]]
type Change = Callable[[], Sequence[Event] | None]
type Pending = tuple[str, dict[str, Any], datetime]


class LostLease(Exception):
    """Another worker has the run, or its conversation is gone: nothing more is written."""


@dataclass(eq=False)
class RunEvents:
    """One run's: added in their order, written soon."""

    run: Run
    seq: int
    """Of the last that was written, or is being."""
    wake: Callable[[], None]
    waiting: list[Pending] = field(default_factory=list)
    problem: Exception | None = None
    is_busy: bool = False
    """Something of it is being written."""
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, kind: str, **data: Any) -> None:
        """The next event. Raises `LostLease`, and what went wrong with the database."""
        self.check()
        data = storable(data)
        if kind in DELTAS and self.waiting and self._joins(kind, data):
            return
        self.waiting.append((kind, data, timezone.now()))
        self._idle.clear()
        self.wake()

    def _joins(self, kind: str, data: dict[str, Any]) -> bool:
        last, before, _ = self.waiting[-1]
        if last != kind or before["part"] != data["part"] or len(before["text"]) > LONGEST_DELTA:
            return False
        before["text"] += data["text"]
        return True

    async def flush(self) -> None:
        """Until all of them are written. Raises as `add` does."""
        while self.waiting or self.is_busy:
            self.check()
            await self._idle.wait()
        self.check()

    async def commit(self, change: Change, *events: Event) -> None:
        """Change rows of the run, and write what that means as its next events: both, or, where the lease is lost, neither.

        The events that ``change`` returns come after ``events``. Raises as `add` does.
        """
        async with self._one_by_one:
            await self.flush()
            self.is_busy = True
            self._idle.clear()
            # Who is cancelled meanwhile leaves; what the database does is done, and who writes next waits for that.
            await asyncio.shield(self._committed(change, events))

    async def _committed(self, change: Change, events: Sequence[Event]) -> None:
        try:
            sent = await in_database(_commit, self.run, change, self.seq, events)
            self.seq += len(sent)
            await tell(self.run.pk, sent)
        except (LostLease, DatabaseError, InterfaceError) as error:
            self.written(error)
            raise
        finally:
            if self.is_busy:
                self.written()

    def check(self) -> None:
        """Raise what stands in the way of writing."""
        if self.problem is not None:
            raise self.problem

    def take(self) -> list[Pending]:
        """What is written next."""
        taken, self.waiting = self.waiting[:MOST_AT_ONCE], self.waiting[MOST_AT_ONCE:]
        self.is_busy = True
        return taken

    def written(self, problem: Exception | None = None) -> None:
        """What was taken is written, or cannot be."""
        self.is_busy = False
        if problem is not None:
            self.problem, self.waiting = problem, []
        if self.waiting:
            self.wake()
        else:
            self._idle.set()


def _commit(run: Run, change: Change, seq: int, events: Sequence[Event]) -> list[Told]:
    with transaction.atomic():
        if Run.objects.select_for_update(no_key=True).filter(held(run)).values("pk").first() is None:
            raise LostLease
        all_events = [(kind, storable(data)) for kind, data in (*events, *(change() or ()))]
        rows = [RunEvent(run_id=run.pk, seq=place, kind=kind, data=data) for place, (kind, data) in enumerate(all_events, seq + 1)]
        RunEvent.objects.bulk_create(rows)
    return [told(row.seq, row.kind, row.data, row.created_at) for row in rows]


class Writer:
    """Writes for all runs of one event loop."""

    def __init__(self) -> None:
        self._runs: dict[UUID, RunEvents] = {}
        self._woken = asyncio.Event()

    def opened(self, run: Run, seq: int) -> RunEvents:
        """The events of a run from now on, after the one with this ``seq``."""
        self._runs[run.pk] = events = RunEvents(run, seq, self._woken.set)
        return events

    def closed(self, events: RunEvents) -> None:
        """Nothing more comes; what was not written is forgotten."""
        if self._runs.get(events.run.pk) is events:
            del self._runs[events.run.pk]

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write within this."""
        async with beside(self._write_for_ever()):
            yield

    async def _write_for_ever(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while batch := [(events, events.take()) for events in self._runs.values() if events.waiting and not events.is_busy]:
                await self._write(batch)

    async def _write(self, batch: list[tuple[RunEvents, list[Pending]]]) -> None:
        rows: list[dict[str, Any]] = []
        sent: dict[UUID, list[Told]] = {}
        for events, pending in batch:
            sent[events.run.pk] = of_run = []
            for kind, data, at in pending:
                events.seq += 1
                of_run.append(told(events.seq, kind, data, at))
                about = {"run": str(events.run.pk), "attempt": events.run.attempts, "seq": events.seq}
                rows.append({**about, "kind": kind, "data": data, "at": at.isoformat()})
        try:
            kept = await in_database(_insert, rows)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Events of %d runs cannot be written: %s", len(batch), error)
            for events, _ in batch:
                events.written(error)
            return
        await asyncio.gather(*(tell(run_id, of_run) for run_id, of_run in sent.items() if run_id in kept))
        for events, _ in batch:
            events.written(None if events.run.pk in kept else LostLease())


def _insert(rows: list[dict[str, Any]]) -> set[UUID]:
    """Returns the runs whose events were taken."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, [json.dumps(rows), sorted({row["run"] for row in rows})])
        return {run_id for (run_id,) in cursor.fetchall()}
