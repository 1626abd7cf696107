"""The samples of one server: what all its containers use together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from dtma.observing.gauges import Figures, Gauges
from dtma.observing.totals import Totals
from dtma_wire import Stats

KEPT = 60
"""Samples that are kept, in memory alone: five minutes at one every five seconds."""


@dataclass(slots=True)
class _Container:
    gauges: Gauges
    last: Figures


@dataclass(slots=True)
class _Kills:
    """Processes of one container killed for memory, as two sources tell it: a container that died of it takes its groups along."""

    told_by_group: int = 0
    told_by_engine: int = 0


class Usage:
    """Counters never fall: what a container used that has ended is carried on, and a new one adds to it."""

    def __init__(self) -> None:
        self._containers: dict[str, _Container] = {}
        self._ended: list[Figures] = []
        self._kills: dict[str, _Kills] = {}
        self._lines: deque[bytes] = deque(maxlen=KEPT)
        self._taken = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._cpu: tuple[float, float] | None = None
        """When the last sample was taken, by the monotonic clock, and its ``cpu_seconds``."""
        self._ran_seconds = 0.0
        self._memory_sum = 0
        self._before = Totals()
        """What containers had used that were found running, before they were."""
        self.memory_limit_bytes: int | None = None
        """As it was in the last sample."""
        self.told = Totals()
        """How far it was told in heartbeats that were acknowledged."""
        self.told_at = time.monotonic()

    def add(self, container: str, gauges: Gauges, *, found: bool = False) -> None:
        """A container started, or was found running: what it had used before that is no use of this DTMA's time."""
        try:
            last = gauges.figures()
        except OSError:  # and has ended
            return
        self._containers[container] = _Container(gauges, last)
        if found:
            self._note_before(container, last)
        if len(self._containers) == 1:
            self.sample()

    def remove(self, container: str) -> None:
        """It ended, or is let go."""
        ended = self._containers.pop(container, None)
        if ended is None:
            return
        self._read(container, ended)
        self._ended = [_sum([*self._ended, ended.last])]
        if not self._containers:
            self._ran_until(time.monotonic())
            self._cpu = None  # there is no use to be told of the time without any

    def killed(self, container: str) -> None:
        """The engine says that a process of a container was killed for memory."""
        self._kills.setdefault(container, _Kills()).told_by_engine += 1

    def close(self) -> None:
        """The server is gone: followers come to their end."""
        self._closed = True
        self._wake()

    def sample(self) -> None:
        """Read all containers; nothing happens while there are none."""
        if not self._containers:
            return
        alive = [container.last for name, container in self._containers.items() if self._read(name, container)]
        if not alive:
            return
        now, all_told = time.monotonic(), self._all_told()
        self._ran_until(now)
        before, self._cpu = self._cpu, (now, all_told.cpu_seconds)
        percent = None
        if before is not None and now > before[0]:
            percent = round((all_told.cpu_seconds - before[1]) / (now - before[0]) * 100, 2)
        together = _sum(alive)
        self._memory_sum += together.memory_bytes
        self.memory_limit_bytes = together.memory_limit_bytes
        self._lines.append(_line(all_told, together, len(alive), percent, self._killed_so_far()))
        self._taken += 1
        self._wake()

    async def samples(self, tail: int | None, *, follow: bool) -> AsyncGenerator[bytes]:
        """The last samples as NDJSON of ``Stats``; with ``follow`` each new one too. One who reads too slowly misses the oldest."""
        kept = len(self._lines)
        seen = self._taken - (kept if tail is None else min(tail, kept))
        while True:
            changed = self._changed
            new = min(self._taken - seen, len(self._lines))
            if new:
                seen = self._taken
                yield b"".join(list(self._lines)[-new:])
                continue
            if self._closed or not follow:
                return
            await changed.wait()

    @property
    def totals(self) -> Totals:
        """All that it used while this DTMA watched, as of the last sample or the end of its containers."""
        all_told, before = self._all_told(), self._before
        used = Totals(
            ran_seconds=self._ran_seconds,
            cpu_seconds=all_told.cpu_seconds,
            received_bytes=all_told.network_received_bytes,
            sent_bytes=all_told.network_sent_bytes,
            kills=self._killed_so_far(),
            samples=self._taken,
            memory_sum=self._memory_sum,
        )
        return used.since(before)

    def _all_told(self) -> Figures:
        return _sum([*self._ended, *(container.last for container in self._containers.values())])

    def _ran_until(self, now: float) -> None:
        if self._cpu is not None:
            self._ran_seconds += now - self._cpu[0]

    def _note_before(self, container: str, last: Figures) -> None:
        kills = self._killed_so_far()
        self._note_kills(container, last)
        before = self._before
        self._before = Totals(
            cpu_seconds=before.cpu_seconds + last.cpu_seconds,
            received_bytes=_total((before.received_bytes, last.network_received_bytes)),
            sent_bytes=_total((before.sent_bytes, last.network_sent_bytes)),
            kills=before.kills + self._killed_so_far() - kills,
        )

    def _note_kills(self, container: str, last: Figures) -> None:
        if last.out_of_memory_kills:
            self._kills.setdefault(container, _Kills()).told_by_group = last.out_of_memory_kills

    def _read(self, name: str, container: _Container) -> bool:
        try:
            container.last = container.gauges.figures()
        except OSError:
            return False
        self._note_kills(name, container.last)
        return True

    def _killed_so_far(self) -> int:
        return sum(max(kills.told_by_group, kills.told_by_engine) for kills in self._kills.values())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


_NOTHING = Figures(0, 0, 0, 0, None, 0, 0, 0, 0, 0, 0)


def _sum(parts: list[Figures]) -> Figures:
    """Figures of several containers together; one that any of them does not tell is not told."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _NOTHING
    return Figures(
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        throttled_seconds=_total(part.throttled_seconds for part in parts),
        memory_bytes=sum(part.memory_bytes for part in parts),
        memory_limit_bytes=sum(part.memory_limit_bytes for part in parts),
        memory_peak_bytes=None,  # each had its own at another time
        out_of_memory_kills=sum(part.out_of_memory_kills for part in parts),
        pids=sum(part.pids for part in parts),
        network_received_bytes=_total(part.network_received_bytes for part in parts),
        network_sent_bytes=_total(part.network_sent_bytes for part in parts),
        block_read_bytes=_total(part.block_read_bytes for part in parts),
        block_written_bytes=_total(part.block_written_bytes for part in parts),
    )


def _total[Number: (int, float)](values: Iterable[Number | None]) -> Number | None:
    known = list(values)
    told = [value for value in known if value is not None]
    return sum(told[1:], told[0]) if len(told) == len(known) else None


def _line(counters: Figures, now: Figures, containers: int, percent: float | None, kills: int) -> bytes:
    stats = Stats(
        at=datetime.now(UTC),
        cpu_percent=percent,
        cpu_seconds=round(counters.cpu_seconds, 6),
        throttled_seconds=counters.throttled_seconds,
        memory_bytes=now.memory_bytes,
        memory_limit_bytes=now.memory_limit_bytes,
        memory_peak_bytes=now.memory_peak_bytes,
        out_of_memory_kills=kills,
        pids=now.pids,
        network_received_bytes=counters.network_received_bytes,
        network_sent_bytes=counters.network_sent_bytes,
        block_read_bytes=counters.block_read_bytes,
        block_written_bytes=counters.block_written_bytes,
        containers=containers,
    )
    return stats.model_dump_json().encode() + b"\n"
