"""The list of all of a user's toolboxes: what of it is asked for, and what it shows. It makes as many queries for 5,000 as for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import BigIntegerField, Case, Count, F, FloatField, OrderBy, Q, QuerySet, Sum, Value, When
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Lower, NullIf

from accounts.models import User
from toolboxes.figures import Figures, figures_of
from toolboxes.models import Toolbox
from toolboxes.selectors import described_for
from toolboxes.status import REPORTING, State, ToolboxStatus, status_of
from toolboxes.versions import version_of

PER_PAGE = 40
WORST_FIRST = (State.UNRESPONSIVE, State.NO_ENGINE, State.REVOKED, State.REMOVING, State.PENDING, State.ONLINE)
COLUMNS = {
    "name": "Toolbox",
    "status": "Status",
    "provider": "Provider",
    "cpu": "CPU",
    "memory": "Memory",
    "disk": "Disk",
    "servers": "Servers",
    "seen": "Last seen",
    "version": "DTMA",
}
"""By what the list can be sorted, with the headings of its columns."""
FIRST_ORDER = {key: f"-{key}" if key in ("cpu", "memory", "disk", "servers", "seen") else key for key in COLUMNS}
"""How a column is sorted when it is chosen: by figures with the greatest first."""
RUNNING = Q(mcp_servers__phase="running", mcp_servers__desired="running", mcp_servers__observed_generation=F("mcp_servers__generation"))


def _number(column: str, key: str) -> Combinable:
    return Cast(KeyTextTransform(key, column), FloatField())


MEMORY, MEMORY_USED = _number("info", "memory_bytes"), _number("load", "memory_used_bytes")
DISK, DISK_FREE = _number("info", "disk_bytes"), _number("info", "disk_free_bytes")
ORDERS: dict[str, Any] = {
    "name": Lower("name"),
    "provider": F("provider"),
    "status": Case(*(When(state=state, then=Value(rank)) for rank, state in enumerate(WORST_FIRST)), default=Value(len(WORST_FIRST))),
    "cpu": Case(When(state__in=REPORTING, then=_number("load", "cpu_percent"))),
    "memory": Case(When(state__in=REPORTING, then=MEMORY_USED / NullIf(MEMORY, Value(0.0)))),
    "disk": Case(When(state__in=REPORTING, then=Value(1.0) - DISK_FREE / NullIf(DISK, Value(0.0)))),
    "servers": Count("mcp_servers"),
    "seen": F("last_seen_at"),
    "version": KeyTextTransform("dtma_version", "info"),
}


@dataclass(frozen=True)
class FleetQuery:
    """Which toolboxes are asked for, in which order. ``sort`` is a key of `ORDERS`, with a hyphen for the greatest first."""

    search: str = ""
    state: str = ""
    sort: str = "name"
    page: str = "1"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> FleetQuery:
        """From the query string; what cannot be used counts as not given."""
        state, sort = str(given.get("state", "")), str(given.get("sort", ""))
        return cls(
            search=str(given.get("search", "")).replace("\0", "").strip()[:100],
            state=state if state in State and state != State.REMOVED else "",
            sort=sort if sort.removeprefix("-") in ORDERS else "name",
            page=str(given.get("page", "1")),
        )

    @property
    def encoded(self) -> str:
        """As a query string, without what is not given."""
        return urlencode({name: value for name, value in vars(self).items() if value != getattr(FleetQuery, name)})

    @property
    def headings(self) -> list[dict[str, str]]:
        """The columns: key, label, the link that sorts by it (the other way round if that is so already), and how it is sorted now."""
        return [self._heading(key, label) for key, label in COLUMNS.items()]

    def _heading(self, key: str, label: str) -> dict[str, str]:
        by_this, downwards = self.sort.removeprefix("-") == key, self.sort.startswith("-")
        other = (key if downwards else f"-{key}") if by_this else FIRST_ORDER[key]
        sorted_as = ("descending" if downwards else "ascending") if by_this else ""
        return {"key": key, "label": label, "link": f"?{replace(self, sort=other, page='1').encoded}", "sorted": sorted_as}

    @property
    def sorts(self) -> list[tuple[str, str]]:
        """What can be chosen to sort by, where there are no headings to click; what is chosen is among them."""
        return [(self.sort if self.sort.removeprefix("-") == key else FIRST_ORDER[key], f"By {label}") for key, label in COLUMNS.items()]


@dataclass(frozen=True)
class Row:
    """A toolbox in the list. ``running`` is None where it is not known."""

    toolbox: Any
    status: ToolboxStatus
    figures: Figures
    servers: int
    running: int | None
    version: str


@dataclass(frozen=True)
class Summary:
    """All of a user's toolboxes at a glance: how many are in each state, and what those that report have left, in bytes."""

    counts: dict[State, int]
    memory_left: int
    disk_left: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def count(self, state: State) -> int:
        return self.counts.get(state, 0)

    @property
    def online(self) -> int:
        return self.count(State.ONLINE)

    @property
    def unresponsive(self) -> int:
        return self.count(State.UNRESPONSIVE)

    @property
    def others(self) -> list[tuple[State, int]]:
        """The other states that there are any of."""
        shown = (State.ONLINE, State.UNRESPONSIVE)
        return [(state, self.counts[state]) for state in WORST_FIRST if state in self.counts and state not in shown]


def fleet(user: User, query: FleetQuery, now: datetime | None = None) -> dict[str, Any]:
    """One page of the list, with the summary of all."""
    page = Paginator(_asked_for(user, query), PER_PAGE).get_page(query.page)
    toolboxes = list(page)
    counts = _servers_of(toolboxes)
    rows = [_row(toolbox, *counts.get(toolbox.pk, (0, 0)), now) for toolbox in toolboxes]
    return {"query": query, "page": page, "rows": rows, "summary": summary_for(user), "states": WORST_FIRST}


def summary_for(user: User) -> Summary:
    """At a glance; one query."""
    groups = described_for(user).order_by().values("state")
    sums = groups.annotate(
        count=Count("pk"),
        memory=Sum(Cast(MEMORY - MEMORY_USED, BigIntegerField())),
        disk=Sum(Cast(DISK_FREE, BigIntegerField())),
    )
    found = list(sums)
    reporting = [group for group in found if group["state"] in REPORTING]
    return Summary(
        counts={State(group["state"]): group["count"] for group in found},
        memory_left=sum(group["memory"] or 0 for group in reporting),
        disk_left=sum(group["disk"] or 0 for group in reporting),
    )


def _asked_for(user: User, query: FleetQuery) -> QuerySet[Any]:
    found = described_for(user)
    if query.state:
        found = found.filter(state=query.state)
    for word in query.search.split():
        fields = ("name", "info__hostname", "url", "provider")
        found = found.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields)))
    key = query.sort.removeprefix("-")
    order: OrderBy = OrderBy(F("sort_key"), descending=query.sort.startswith("-"), nulls_last=True)
    ordered: QuerySet[Any] = found.alias(sort_key=ORDERS[key]).order_by(order, Lower("name"), "pk")
    return ordered


def _servers_of(toolboxes: list[Any]) -> dict[Any, tuple[int, int]]:
    """How many servers each has, and how many of them run as they should."""
    counted = Toolbox.objects.filter(pk__in=[toolbox.pk for toolbox in toolboxes]).order_by().values("pk")
    rows = counted.annotate(total=Count("mcp_servers"), running=Count("mcp_servers", filter=RUNNING))
    return {row["pk"]: (row["total"], row["running"]) for row in rows}


def _row(toolbox: Any, servers: int, running: int, now: datetime | None) -> Row:
    status = status_of(toolbox, now)
    known = status.state is State.ONLINE
    return Row(toolbox, status, figures_of(toolbox), servers, running if known else None, version_of(toolbox))
