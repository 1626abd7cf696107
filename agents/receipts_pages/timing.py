"""Where the time of a call went, and when the calls of a run were made, as shares of a bar's length.

Bars are SVG, with figures in attributes: styles in the markup are not allowed by the content security policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from agents.models import ToolCall

WIDTH = 1000.0
"""Of every bar, in its own units."""
NARROWEST = 8.0
PARTS = {
    "queue": ("In Agentopia", "Before the request to the toolbox: grant, policy and receipt."),
    "approval": ("Approval", "Waiting for a person."),
    "network": ("Network", "To the toolbox and back, with the host agent's own work."),
    "server": ("Server", "From the request to the server to its answer."),
    "call": ("Network and server", "How much of it was the server's is not known."),
}
"""Of a call's time: a name, and what it is."""


@dataclass(frozen=True)
class Part:
    """A part of a call's time. ``x`` and ``width`` are of the bar's `WIDTH`."""

    key: str
    milliseconds: float
    x: float = 0.0
    width: float = 0.0

    @property
    def name(self) -> str:
        return PARTS[self.key][0]

    @property
    def meaning(self) -> str:
        return PARTS[self.key][1]


def parts_of(call: ToolCall) -> list[Part]:
    """The parts that are known, in their order in time; each can be seen, however short it was."""
    known = [("queue", call.queue_ms), ("approval", call.approval_ms)]
    if call.duration_ms is not None and call.server_ms is not None:
        known += [("network", max(0.0, call.duration_ms - call.server_ms)), ("server", call.server_ms)]
    else:
        known.append(("call", call.duration_ms))
    found = [(key, milliseconds) for key, milliseconds in known if milliseconds is not None]
    places = _side_by_side([milliseconds for _, milliseconds in found])
    return [Part(key, milliseconds, *place) for (key, milliseconds), place in zip(found, places, strict=True)]


def _side_by_side(lengths: Sequence[float]) -> list[tuple[float, float]]:
    """Where each begins and how wide it is, in proportion, but for those that would be too narrow to see."""
    whole, room = sum(lengths), WIDTH - NARROWEST * len(lengths)
    found, x = [], 0.0
    for length in lengths:
        width = NARROWEST + (room * length / whole if whole else 0.0)
        found.append((round(x, 1), round(width, 1)))
        x += width
    return found


@dataclass(frozen=True)
class Moment:
    """A call on the axis of a run's page: when it began after the first, in seconds, and its place in `WIDTH`."""

    call: ToolCall
    after: float
    x: float
    width: float


def lasted(call: ToolCall, now: datetime) -> float:
    """Seconds from when it was asked for to its end, or up to now; at least what is known of its parts."""
    parts = sum(part or 0.0 for part in (call.queue_ms, call.approval_ms, call.duration_ms)) / 1000
    goes_on = call.status in (ToolCall.Status.WAITING, ToolCall.Status.RUNNING)
    end = now if goes_on else call.ended_at
    return max(parts, (end - call.created_at).total_seconds() if end else 0.0)


def axis_of(calls: Sequence[ToolCall], now: datetime | None = None) -> tuple[list[Moment], float]:
    """The calls, oldest first, on one axis from the beginning of the first to the end of the last; its length in seconds."""
    if not calls:
        return [], 0.0
    now = now or timezone.now()
    begin = calls[0].created_at
    lengths = [lasted(call, now) for call in calls]
    end = max(call.created_at + timedelta(seconds=length) for call, length in zip(calls, lengths, strict=True))
    whole = max((end - begin).total_seconds(), 0.001)
    return [_moment(call, length, begin, whole) for call, length in zip(calls, lengths, strict=True)], whole


def _moment(call: ToolCall, length: float, begin: datetime, whole: float) -> Moment:
    after = (call.created_at - begin).total_seconds()
    width = max(NARROWEST, WIDTH * length / whole)
    return Moment(call, after, round(min(WIDTH * after / whole, WIDTH - width), 1), round(width, 1))
