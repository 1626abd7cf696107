"""The list of all of a user's servers: what of it is asked for, and what it shows. It makes as many queries for 1,000 as for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from accounts.models import User
from mcp_registry.models import McpServer, Tool
from mcp_registry.status import ServerStatus, Status, status_of, with_state
from toolboxes.selectors import toolboxes_for

PER_PAGE = 50
BROKEN = (Status.FAILED, Status.CRASHED, Status.UNHEALTHY)
ATTENTION = (*BROKEN, Status.UNKNOWN)
WORST_FIRST = (
    *(Status.FAILED, Status.CRASHED, Status.UNHEALTHY, Status.UNKNOWN, Status.DELETING),
    *(Status.PREPARING, Status.STARTING, Status.RUNNING, Status.STOPPED),
)
SHOWN = (
    *("id", "owner_id", "name", "version", "desired", "generation", "phase", "observed_generation", "reason", "tools_hash"),
    *("toolbox__name", "toolbox__enrolled_at", "toolbox__last_seen_at", "toolbox__info", "entry__slug", "entry__title", "entry__version"),
    *(f"entry__{field}" for field in ("owner_id", "published_at", "hidden", "withdrawn")),
    *("deployment__status", "deployment__detail", "deployment__not_before", "deployment__created_at"),
)
"""What a row of a list reads: neither documents nor secrets."""
SORTS = {"name": "By name", "state": "By state", "changed": "Last changed first", "tools": "Most tools first"}
ORDERS: dict[str, tuple[Any, ...]] = {
    "name": ("name",),
    "state": (Case(*(When(state=word, then=Value(rank)) for rank, word in enumerate(WORST_FIRST)), default=Value(99)), "name"),
    "changed": (F("deployment__created_at").desc(nulls_last=True), "name"),
    "tools": (F("tool_count").desc(), "name"),
}

type Row = tuple[Any, ServerStatus]


@dataclass(frozen=True)
class ServerQuery:
    """Which servers are asked for, in which order."""

    search: str = ""
    state: str = ""
    toolbox: str = ""
    sort: str = "name"
    page: str = "1"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> ServerQuery:
        """From the query string; what cannot be used counts as not given."""
        state, sort = str(given.get("state", "")), str(given.get("sort", ""))
        return cls(
            search=str(given.get("search", "")).replace("\0", "").strip()[:100],
            state=state if state in Status or state == "attention" else "",
            toolbox=_id(str(given.get("toolbox", ""))),
            sort=sort if sort in ORDERS else "name",
            page=str(given.get("page", "1")),
        )

    @property
    def encoded(self) -> str:
        """As a query string, without what is not given."""
        return urlencode({name: value for name, value in vars(self).items() if value != getattr(ServerQuery, name)})

    @property
    def narrows(self) -> bool:
        """Whether it leaves any out."""
        return bool(self.search or self.state or self.toolbox)


def server_list(user: User, query: ServerQuery) -> dict[str, Any]:
    """One page of the list, with how many there are in each state."""
    counts = counts_of(user)
    page = Paginator(_asked_for(user, query), PER_PAGE).get_page(query.page)
    return {
        "query": query,
        "page": page,
        "rows": rows_of(page),
        "counts": [(state, counts[state]) for state in WORST_FIRST if state in counts],
        "attention": sum(counts.get(state, 0) for state in ATTENTION),
        "total": sum(counts.values()),
        "toolboxes": toolboxes_for(user).order_by("name").only("pk", "name"),
        "sorts": SORTS,
    }


def counts_of(user: User) -> dict[Status, int]:
    """How many of the user's servers are in each state; one query."""
    groups = with_state(McpServer.objects.filter(owner=user)).order_by().values("state").annotate(count=Count("pk"))
    return {Status(group["state"]): group["count"] for group in groups}


def listed(user: User) -> QuerySet[Any]:
    """The user's servers with what a row of a list shows, and no more."""
    tools = Tool.objects.filter(server=OuterRef("pk")).order_by().values("server").annotate(count=Count("pk")).values("count")
    count = Coalesce(Subquery(tools, output_field=IntegerField()), Value(0))
    servers = McpServer.objects.filter(owner=user).select_related("toolbox", "deployment", "entry").only(*SHOWN)
    counted: QuerySet[Any] = servers.annotate(tool_count=count)
    return counted


def described(user: User) -> QuerySet[Any]:
    """The same with ``state``, to filter and sort by."""
    return with_state(listed(user))


def at_a_glance(user: User, most: int) -> dict[str, Any]:
    """How many servers are in each state; the first rows of those that need attention (worst first), and of the others. Two queries."""
    found = list(with_state(McpServer.objects.filter(owner=user)).order_by("name").values_list("pk", "state"))
    attention = sorted((pair for pair in found if pair[1] in ATTENTION), key=lambda pair: WORST_FIRST.index(Status(pair[1])))[:most]
    others = [pair for pair in found if pair[1] not in ATTENTION][:most]
    rows = {server.pk: (server, status_of(server)) for server in listed(user).filter(pk__in=[pk for pk, _ in attention + others])}
    return {
        "counts": Counter(Status(state) for _, state in found),
        "attention": [rows[pk] for pk, _ in attention if pk in rows],
        "others": [rows[pk] for pk, _ in others if pk in rows],
    }


def rows_of(servers: Any) -> list[Row]:
    """Each with its status."""
    return [(server, status_of(server)) for server in servers]


def _asked_for(user: User, query: ServerQuery) -> QuerySet[Any]:
    found = described(user)
    if query.state:
        found = found.filter(state__in=ATTENTION) if query.state == "attention" else found.filter(state=query.state)
    if query.toolbox:
        found = found.filter(toolbox=query.toolbox)
    for word in query.search.split():
        fields = ("name", "entry__title", "entry__name", "toolbox__name")
        found = found.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields)))
    ordered: QuerySet[Any] = found.order_by(*ORDERS[query.sort])
    return ordered


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
