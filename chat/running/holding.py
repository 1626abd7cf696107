"""Keeping the leases of all runs that this process carries out: one statement for all of them, every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from agentopia.lib.beside import beside
from chat.models import Run
from chat.running.database import in_database

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
RENEW_SECONDS = 5.0

_RENEW = """
UPDATE chat_run SET lease_until = %s
FROM unnest(%s::uuid[], %s::bigint[]) AS mine(id, attempts)
WHERE chat_run.id = mine.id AND chat_run.attempts = mine.attempts AND chat_run.status = 'running'
RETURNING chat_run.id, chat_run.cancel_requested_at IS NOT NULL
"""


class Holder:
    """The runs that are held here."""

    def __init__(self) -> None:
        self._held: dict[UUID, tuple[Run, Callable[[], None], Callable[[], None]]] = {}

    def take(self, run: Run, lost: Callable[[], None], stopped: Callable[[], None]) -> None:
        """Hold it; one of the two is called when it is no longer ours, and when its user wants it stopped."""
        self._held[run.pk] = run, lost, stopped

    def let_go(self, run: Run) -> None:
        """It is not held any more."""
        self._held.pop(run.pk, None)

    def look_at(self, run_id: UUID) -> None:
        """Its user wants it stopped, as was heard."""
        if (entry := self._held.get(run_id)) is not None:
            entry[2]()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Renew within this."""
        async with beside(self._renew_for_ever()):
            yield

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew all now. While the database is away the leases run out, and writing fails by itself."""
        mine = {run_id: entry[0].attempts for run_id, entry in self._held.items()}
        if not mine:
            return
        try:
            kept = await in_database(_renew, mine)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The leases of %d runs cannot be renewed: %s", len(mine), error)
            return
        for run_id, attempts in mine.items():
            entry = self._held.get(run_id)
            if entry is None or entry[0].attempts != attempts:
                continue
            if run_id not in kept:
                entry[1]()
            elif kept[run_id]:
                entry[2]()  # said where nobody heard it


def _renew(mine: dict[UUID, int]) -> dict[UUID, bool]:
    """By the runs that are held still, whether they are to be stopped."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [timezone.now() + LEASE, list(mine), list(mine.values())])
        return dict(cursor.fetchall())
