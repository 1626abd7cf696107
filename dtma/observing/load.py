"""How busy this host is, out of /proc (proc(5)): four small files and one system call, together a tenth of a millisecond."""

from __future__ import annotations

import os
from pathlib import Path

from dtma_wire import HostLoad

_IDLE = (3, 4)
"""Where in the first line of /proc/stat the time stands in which a processor had nothing to do, or waited for a disk."""
_GUESTS = 8
"""From here on it tells what is counted in another column already."""
_KB = 1024
_SHORTEST = (os.cpu_count() or 1) * os.sysconf("SC_CLK_TCK") // 2
"""Of all processors together, in ticks: half a second."""


class LoadMeter:
    """Measures processor time from one call to the next. ``home`` is on the disk that is told of."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._busy: tuple[int, int] | None = None
        self._cpu: float | None = None

    def measure(self) -> HostLoad:
        """What it is now."""
        return HostLoad(
            cpu_percent=self._cpu_percent(),
            load=os.getloadavg()[0],
            memory_used_bytes=memory_used(),
            disk_used_bytes=disk(self._home)[0],
        )

    def _cpu_percent(self) -> float | None:
        """Over the time since it was told before. Two heartbeats in a row would measure each other, so the second says the same again."""
        before, now = self._busy, _busy()
        if before is None:
            self._busy = now
        elif now[1] - before[1] >= _SHORTEST:
            self._busy = now
            self._cpu = round(min(100.0, max(0.0, 100 * (now[0] - before[0]) / (now[1] - before[1]))), 1)
        return self._cpu


def _busy() -> tuple[int, int]:
    """Time that all processors together spent working, and altogether, since the host began: in ticks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]][:_GUESTS]
    total = sum(fields)
    return total - sum(fields[place] for place in _IDLE), total


def memory_used() -> int:
    """Bytes in use that cannot simply be given back."""
    facts = dict(line.partition(":")[::2] for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(facts["MemTotal"].split()[0]) - int(facts["MemAvailable"].split()[0])) * _KB


def disk(home: Path) -> tuple[int, int, int]:
    """Of the disk that ``home`` is on, in bytes: how much is used, how much is free for anybody, and its size."""
    found = os.statvfs(home)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    return size - found.f_bfree * found.f_frsize, free, size
