"""How busy a toolbox was: what charts and programs are told. `toolboxes.services.metrics` writes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from toolboxes.models import Metric, RollUp, Toolbox
from toolboxes.models.metrics import SLOTS
from toolboxes.services.metrics import place

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS = {
    "hour": (Metric.Resolution.RAW, HOUR),
    "day": (Metric.Resolution.MINUTE, DAY),
    "week": (Metric.Resolution.TEN_MINUTES, 7 * DAY),
    "month": (Metric.Resolution.TEN_MINUTES, 30 * DAY),
}
"""By name: the resolution and the length of what can be asked for."""


@dataclass(frozen=True)
class Point:
    """One moment, from ``at`` on; every figure is None where nothing was reported (``cpu_percent`` also where it could not be told)."""

    at: datetime
    cpu_percent: float | None = None
    load: float | None = None
    memory_used_bytes: int | None = None
    disk_used_bytes: int | None = None

    @property
    def is_gap(self) -> bool:
        return self.load is None


def series(toolbox: Toolbox, window: str, now: datetime | None = None) -> list[Point]:
    """The toolbox's figures over a window of `WINDOWS`: evenly spaced, oldest first, with gaps where nothing was reported.

    It ends with the newest moment that is complete. Raises ``KeyError`` for another window.
    """
    resolution, length = WINDOWS[window]
    step = timedelta(seconds=resolution)
    end = _complete_until(resolution, now or timezone.now())
    begin = end - min(length, step * SLOTS[resolution])
    stored = Metric.objects.filter(toolbox=toolbox, resolution=resolution, at__gte=begin, at__lt=end)  # a slot of an older round is not
    known = {row["at"]: Point(**row) for row in stored.values(*Point.__dataclass_fields__)}
    moments = [begin + step * number for number in range(int((end - begin) / step))]
    return _without_drift([known.get(at, Point(at)) for at in moments], resolution)


def _complete_until(resolution: Metric.Resolution, now: datetime) -> datetime:
    if resolution == Metric.Resolution.RAW:
        return place(now, resolution)[1]
    rolled_up = RollUp.objects.filter(resolution=resolution).first()
    return rolled_up.until if rolled_up is not None else place(now, resolution)[1]


def _without_drift(points: list[Point], resolution: int) -> list[Point]:
    """Heartbeats are a little later each time, so now and then a moment passes between two of them: that is no gap."""
    between = math.ceil(settings.HEARTBEAT_SECONDS / resolution) if resolution <= settings.HEARTBEAT_SECONDS else 0
    filled, last = [], None
    for number, point in enumerate(points):
        if not point.is_gap:
            last = number
        elif last is not None and number - last <= between and any(not later.is_gap for later in points[number + 1 : last + between + 2]):
            filled.append(replace(points[last], at=point.at))
            continue
        filled.append(point)
    return filled
