"""How big a toolbox is and how busy, as pages show it: from what it last reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NEARLY_FULL, FULL = 80, 90


@dataclass(frozen=True)
class Gauge:
    """A use of something limited, in bytes."""

    used: int
    total: int

    @property
    def percent(self) -> float:
        return min(100.0, 100 * self.used / self.total)

    @property
    def left(self) -> int:
        return max(0, self.total - self.used)

    @property
    def tone(self) -> str:
        """How a bar of it is coloured."""
        return tone_of(self.percent)


def tone_of(percent: float) -> str:
    """How a bar is coloured that is so full."""
    return "error" if percent >= FULL else "warning" if percent >= NEARLY_FULL else "success"


@dataclass(frozen=True)
class Figures:
    """What is known of a host; None where it is not. ``cpu`` is a percentage of all processors together."""

    cpus: int | None
    cpu: float | None
    load: float | None
    memory: Gauge | None
    disk: Gauge | None

    @property
    def cpu_tone(self) -> str:
        return tone_of(self.cpu or 0)


def figures_of(toolbox: Any) -> Figures:
    """Of what a toolbox last reported; whether that is of now, its status says."""
    info, load = toolbox.info, toolbox.load
    return Figures(
        cpus=info.get("cpus"),
        cpu=load.get("cpu_percent"),
        load=load.get("load"),
        memory=_gauge(load.get("memory_used_bytes"), info.get("memory_bytes")),
        disk=_disk(info, load),
    )


def _disk(info: dict[str, Any], load: dict[str, Any]) -> Gauge | None:
    """Counted from what is left: of the rest, some is kept for the system and belongs to nobody."""
    total, free = info.get("disk_bytes"), info.get("disk_free_bytes")
    return _gauge(total - free if total and free is not None else load.get("disk_used_bytes"), total)


def _gauge(used: int | None, total: int | None) -> Gauge | None:
    return Gauge(used, total) if used is not None and total else None
