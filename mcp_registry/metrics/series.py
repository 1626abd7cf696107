"""What servers used and what happened to them: what charts and programs are told. `mcp_registry.services.metrics` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from agentopia.lib.rings import Ring
from mcp_registry.models import Deployment, Drift, McpServer, ServerMetric
from mcp_registry.progress import TITLES
from mcp_registry.services.metrics import MINUTE, TEN_MINUTES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS: dict[str, tuple[Ring, timedelta]] = {"hour": (MINUTE, HOUR), "day": (MINUTE, DAY), "week": (TEN_MINUTES, 7 * DAY)}
"""By name: the resolution and the length of what can be asked for."""
NOT_YET_TOLD = {MINUTE: 4, TEN_MINUTES: 3}
"""So many of the newest moments may still be missing though all is well: they are told a little later."""
FIGURES = ("at", "seconds", "cpu_percent", "memory_bytes", "memory_limit_bytes", "received_bytes", "sent_bytes")
MOST_MARKS = 200


@dataclass(frozen=True)
class Point:
    """One moment, from ``at`` on; every figure is None where nothing was told. Of one core, and in bytes, or bytes per second."""

    at: datetime
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    received_per_second: float | None = None
    sent_per_second: float | None = None

    @property
    def is_gap(self) -> bool:
        return self.cpu_percent is None and self.memory_bytes is None


class MarkKind(StrEnum):
    """What may be marked on the axis of time."""

    OUT_OF_MEMORY = "out_of_memory"
    RESTART = "restart"
    CRASH = "crash"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True)
class Mark:
    """Something that happened to a server at a time, ``count`` times; ``text`` says it to a person."""

    at: datetime
    kind: MarkKind
    count: int
    text: str


def series(server: McpServer, window: str, now: datetime | None = None) -> list[Point]:
    """The server's figures over a window of `WINDOWS`: evenly spaced, oldest first, with gaps where nothing was told.

    It ends with now, but for moments that are still to be told. Raises ``KeyError`` for another window.
    """
    ring, length = WINDOWS[window]
    end = ring.place(now or timezone.now())[1] + ring.step
    begin = end - length
    known = {row["at"]: _point(row) for row in _stored(server, ring, begin, end).values(*FIGURES)}
    moments = [begin + ring.step * number for number in range(int(length / ring.step))]
    points = [known.get(at) or Point(at) for at in moments]
    late = next((number for number, point in enumerate(reversed(points)) if not point.is_gap), len(points))
    return points[: len(points) - late] if 0 < late <= NOT_YET_TOLD[ring] else points


def _stored(server: McpServer, ring: Ring, begin: datetime, end: datetime) -> QuerySet[ServerMetric]:
    """By their slots, since the rows of a whole ring are far apart from each other; and not what an older round left there."""
    slots = ring.slots_of(begin, end - begin)
    return ServerMetric.objects.filter(server=server, resolution=ring.seconds, slot__in=slots, at__gte=begin, at__lt=end)


def _point(row: dict[str, Any]) -> Point:
    def rate(value: int | None) -> float | None:
        return None if value is None or not row["seconds"] else value / row["seconds"]

    return Point(
        at=row["at"],
        cpu_percent=row["cpu_percent"],
        memory_bytes=row["memory_bytes"],
        memory_limit_bytes=row["memory_limit_bytes"],
        received_per_second=rate(row["received_bytes"]),
        sent_per_second=rate(row["sent_bytes"]),
    )


def newest(server: McpServer, now: datetime | None = None) -> Point | None:
    """The newest figures, if they are not older than a few minutes."""
    end = MINUTE.place(now or timezone.now())[1] + MINUTE.step
    stored = _stored(server, MINUTE, end - NOT_YET_TOLD[MINUTE] * MINUTE.step, end)
    row = stored.filter(seconds__gt=0).order_by("-at").values(*FIGURES).first()
    return None if row is None else _point(row)


def marks(server: McpServer, window: str, now: datetime | None = None) -> list[Mark]:
    """What happened to the server in a window of `WINDOWS`, oldest first: the newest `MOST_MARKS`."""
    end = now or timezone.now()
    begin = end - WINDOWS[window][1]
    found = [*_counted(server, begin, end), *_crashes(server, begin), *_deployments(server, begin)]
    return sorted(found, key=lambda mark: mark.at)[-MOST_MARKS:]


def _counted(server: McpServer, begin: datetime, end: datetime) -> list[Mark]:
    """To the minute where minutes are kept."""
    minutes_from = max(MINUTE.place(begin)[1], TEN_MINUTES.place(end - DAY)[1] + TEN_MINUTES.step)
    rows = [_stored(server, MINUTE, minutes_from, MINUTE.place(end)[1] + MINUTE.step)]
    if begin < minutes_from:
        rows.append(_stored(server, TEN_MINUTES, TEN_MINUTES.place(begin)[1], minutes_from))
    happened = Q(restarts__gt=0) | Q(out_of_memory_kills__gt=0)
    found = []
    for moment, restarts, kills in chain.from_iterable(
        some.filter(happened).values_list("at", "restarts", "out_of_memory_kills") for some in rows
    ):
        if kills:
            text = "A process was killed at the memory limit" if kills == 1 else f"{kills} processes were killed at the memory limit"
            found.append(Mark(moment, MarkKind.OUT_OF_MEMORY, kills, text))
        if restarts:
            text = "Its toolbox started it again" + ("" if restarts == 1 else f" {restarts} times")
            found.append(Mark(moment, MarkKind.RESTART, restarts, text))
    return found


def _crashes(server: McpServer, begin: datetime) -> list[Mark]:
    rows = Drift.objects.filter(server=server, what=Drift.What.CRASHED, at__gte=begin).order_by("-at")[:MOST_MARKS]
    return [Mark(drift.at, MarkKind.CRASH, 1, drift.sentence) for drift in rows]


def _deployments(server: McpServer, begin: datetime) -> list[Mark]:
    rows = Deployment.objects.filter(server=server, created_at__gte=begin).exclude(status=Deployment.Status.SUPERSEDED)
    return [Mark(row.created_at, MarkKind.DEPLOYMENT, 1, _titled(row)) for row in rows.order_by("-created_at")[:MOST_MARKS]]


def _titled(deployment: Deployment) -> str:
    going_on, done, failed = TITLES[Deployment.Kind(deployment.kind)]
    if deployment.is_active:
        return going_on
    return done if deployment.status == Deployment.Status.SUCCEEDED else failed
