"""Figures over time in rings: a moment's place is its slot, and what comes a round later is written over it, so nothing must be deleted.

A coarser ring is made from a finer one, moment by moment, by a statement of whoever owns them. How far that has come is a row of a model
with ``resolution`` (the coarser ring's seconds, the primary key) and ``until``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction


@dataclass(frozen=True)
class Ring:
    """Moments of so many seconds each, and how many of them are kept."""

    seconds: int
    slots: int

    @property
    def step(self) -> timedelta:
        """The length of a moment."""
        return timedelta(seconds=self.seconds)

    @property
    def kept(self) -> timedelta:
        """How far back it goes."""
        return self.step * self.slots

    def place(self, at: datetime) -> tuple[int, datetime]:
        """The slot of the moment that this time is in, and when that begins."""
        number = int(at.timestamp()) // self.seconds
        return number % self.slots, datetime.fromtimestamp(number * self.seconds, UTC)

    def slots_of(self, begin: datetime, length: timedelta) -> list[int]:
        """The slots of all moments from one that begins at ``begin``."""
        first, _ = self.place(begin)
        return [(first + number) % self.slots for number in range(int(length / self.step))]


@transaction.atomic
def roll_up_next(progress: type[Any], statement: str, *, coarse: Ring, fine: Ring, fine_until: datetime, now: datetime) -> bool:
    """Make the coarser ring's next moment, if the finer one has all of it, which is complete until ``fine_until``.

    ``progress`` is the model of how far that has come. ``statement`` is given ``resolution``, ``slot``, ``begin`` and ``end`` of the
    moment, and ``finer`` and ``slots`` of what it is made from. False where there is nothing to do, or another process does it. After a
    long pause it begins with the oldest moment that can still be made.
    """
    oldest = coarse.place(now - fine.kept + coarse.step)[1]
    progress.objects.get_or_create(resolution=coarse.seconds, defaults={"until": oldest})
    row = progress.objects.select_for_update(skip_locked=True).filter(resolution=coarse.seconds).first()
    if row is None:
        return False
    begin = max(row.until, oldest)
    end = begin + coarse.step
    if end > fine_until:
        return False
    values: dict[str, Any] = {
        "resolution": coarse.seconds,
        "slot": coarse.place(begin)[0],
        "begin": begin,
        "end": end,
        "finer": fine.seconds,
        "slots": fine.slots_of(begin, coarse.step),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    progress.objects.filter(resolution=coarse.seconds).update(until=end)
    return True
