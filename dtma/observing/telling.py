"""What heartbeats tell of the use of servers: once a minute, all that was used since it was last told and acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dtma.observing.stats import Sampler
from dtma.observing.totals import Totals
from dtma.observing.usage import Usage
from dtma_wire import ServerUsage

MOST = 200
"""Servers in one heartbeat; the others follow in the next."""


@dataclass(frozen=True)
class Told:
    """The usage that a heartbeat carries. ``first`` is the sequence of the one that was the first to carry it; ``more`` says that it had
    no room for all.
    """

    first: int = 0
    usage: tuple[ServerUsage, ...] = ()
    more: bool = False


class Telling:
    """What was told is told again unchanged until it is acknowledged, so that it is never taken twice; what came after it is told then.

    So no counter is lost with a heartbeat, and the sum of what is told is exact. Servers that did not run meanwhile are not told.
    """

    def __init__(self, sampler: Sampler, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._sampler = sampler
        self._seconds = seconds
        self._clock = clock
        self._due = clock() + seconds
        self._round: float | None = None
        """When it began to tell all servers once, while that goes on."""
        self._told = Told()
        self._marks: list[tuple[Usage, Totals]] = []
        """How far each server is told in ``_told``."""

    def compose(self, sequence: int) -> Told:
        """What the heartbeat of this number is to tell: mostly nothing."""
        now = self._clock()
        if not self._marks and (self._round is not None or now >= self._due):
            self._gather(sequence, now)
        return self._told

    def acknowledge(self) -> None:
        """The control plane took what was composed last."""
        now = self._clock()
        for usage, totals in self._marks:
            usage.told, usage.told_at = totals, now
        if self._marks and not self._told.more:
            self._end_round(now)
        self._told, self._marks = Told(), []

    def _gather(self, sequence: int, now: float) -> None:
        self._round = began = self._round if self._round is not None else now
        untold = sorted((each for each in self._sampler.servers if each[1].told_at < began), key=lambda each: each[1].told_at)
        usages: list[ServerUsage] = []
        for server_id, usage in untold:
            totals = usage.totals
            made = totals.since(usage.told).told(server_id, usage.memory_limit_bytes)
            if made is None:
                continue
            if len(usages) == MOST:
                self._told = Told(sequence, tuple(usages), more=True)
                return
            usages.append(made)
            self._marks.append((usage, totals))
        self._told = Told(sequence, tuple(usages)) if usages else Told()
        if not usages:
            self._end_round(now)

    def _end_round(self, now: float) -> None:
        self._round = None
        self._due += self._seconds  # from when it was due, not from when it was told: else it would be a little later each time
        if self._due <= now:
            self._due = now + self._seconds
