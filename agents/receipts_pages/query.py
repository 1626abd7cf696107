"""Which receipts are asked for, and where in their list one is. What the pages, their WebSockets, the export and REST have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any, Self
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from agentopia.lib.queries import ListQuery
from agents.models import ToolCall

LONGEST = 200
PROBLEMS = "problems"
"""Stands for every status of a call that did not end well."""
OF_PROBLEMS = (ToolCall.Status.TOOL_ERROR, ToolCall.Status.FAILED, ToolCall.Status.REFUSED, ToolCall.Status.CANCELLED)
WINDOWS = {
    "hour": ("The last hour", timedelta(hours=1)),
    "day": ("The last 24 hours", timedelta(days=1)),
    "week": ("The last 7 days", timedelta(days=7)),
    "month": ("The last 30 days", timedelta(days=30)),
}
SEARCHED = ("tool_name", "server_name", "agent_name", "client", "token_name", "error_message")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Place:
    """A place in the list, which is ordered by time and then by id: that of one receipt."""

    at: datetime
    id: UUID

    @classmethod
    def of(cls, call: ToolCall) -> Self:
        return cls(call.created_at, call.pk)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what is none."""
        moment, _, name = text.partition(".")
        try:
            return cls(EPOCH + int(moment) * MICROSECOND, UUID(name))
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // MICROSECOND}.{self.id.hex}"

    # In both, the first condition alone bounds what is read of the index.
    @property
    def older(self) -> Q:
        return Q(created_at__lte=self.at) & ~Q(created_at=self.at, id__gte=self.id)

    @property
    def newer(self) -> Q:
        return Q(created_at__gte=self.at) & ~Q(created_at=self.at, id__lte=self.id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment(text: str, days: int = 0) -> datetime | None:
    """A moment, or the midnight at which a day begins, so many ``days`` later."""
    try:
        if len(text) == len("2026-11-01"):
            moment = datetime.combine(date.fromisoformat(text), time.min, UTC) + timedelta(days=days)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if 1970 <= moment.year < 9999 else None


USABLE: dict[str, Callable[[str], bool]] = {
    "status": lambda text: text in ToolCall.Status or text == PROBLEMS,
    "via": lambda text: text in ToolCall.Via,
    "token": lambda text: text.isascii() and text.isdecimal() and len(text) < 19,
    "run": lambda text: _uuid(text) is not None,
    "window": lambda text: text in WINDOWS,
    "since": lambda text: _moment(text) is not None,
    "until": lambda text: _moment(text) is not None,
    "before": lambda text: Place.parse(text) is not None,
    "after": lambda text: Place.parse(text) is not None,
}
"""By a field, whether a text can be its value; the others can be any text."""


@dataclass(frozen=True)
class CallQuery(ListQuery):
    """The filters. ``agent`` and ``server`` are an id or a whole name, ``tool`` is a whole name, ``token`` and ``run`` are ids.

    ``since`` and ``until`` are days (UTC), both included, or moments; ``window`` is a key of `WINDOWS`, up to now. ``before`` and ``after``
    are the `Place` of the receipt at an end of the page.
    """

    search: str = ""
    status: str = ""
    agent: str = ""
    server: str = ""
    tool: str = ""
    via: str = ""
    token: str = ""
    run: str = ""
    window: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From a query string; what cannot be used counts as not given."""
        texts = {name: str(given.get(name) or "").replace("\0", "").strip()[:LONGEST] for name in cls.__dataclass_fields__}
        return cls(**{name: text if name not in USABLE or USABLE[name](text) else "" for name, text in texts.items()})

    @property
    def window_name(self) -> str:
        """The window in words."""
        return WINDOWS[self.window][0] if self.window else ""

    @property
    def chosen(self) -> list[tuple[str, str, str]]:
        """What is filtered by links rather than in the form: the field, what it is set to, and the query string without it."""
        fields = ("server", "tool", "token", "run", "window")
        return [(name, getattr(self, name), replace(self.filters, **{name: ""}).encoded) for name in fields if getattr(self, name)]

    def of(self, calls: QuerySet[ToolCall], now: datetime | None = None) -> QuerySet[ToolCall]:
        """These of the receipts, without regard to the place in the list."""
        for narrowing in (self._by_things(), self._by_time(now or timezone.now())):
            calls = calls.filter(narrowing)
        for word in self.search.split():
            calls = calls.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in SEARCHED)))
        return calls

    def _by_things(self) -> Q:
        found = Q()
        if self.status:
            found &= Q(status__in=OF_PROBLEMS) if self.status == PROBLEMS else Q(status=self.status)
        for field, text in (("agent", self.agent), ("server", self.server)):
            if text:
                known = _uuid(text)
                found &= Q(**{f"{field}_name": text}) if known is None else Q(**{f"{field}_id": known})
        exact = {"tool_name": self.tool, "via": self.via, "token_id": self.token, "run": self.run}
        return found & Q(**{field: text for field, text in exact.items() if text})

    def _by_time(self, now: datetime) -> Q:
        found = Q()
        if self.window:
            found &= Q(created_at__gte=now - WINDOWS[self.window][1])
        if since := _moment(self.since):
            found &= Q(created_at__gte=since)
        if until := _moment(self.until, days=1):
            found &= Q(created_at__lt=until)
        return found
