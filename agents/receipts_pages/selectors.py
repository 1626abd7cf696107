"""Reads of receipts; each starts from the user who asks, and none reads more than it shows, however many there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import ToolCall
from agents.receipts_pages.query import CallQuery, Place

PER_PAGE = 50
BULKY = ("arguments", "result")
"""What of a receipt may be long, and is not shown in lists."""


def calls_for(user: User, query: CallQuery | None = None) -> QuerySet[ToolCall]:
    """The receipts of this user's calls that the query asks for, without regard to its place in the list, in no order."""
    calls = ToolCall.objects.filter(user=user).order_by()
    return calls if query is None else query.of(calls)


def call_for(user: User, call_id: UUID) -> ToolCall:
    """One receipt. Raises `NotFound` where it is not the user's."""
    found = ToolCall.objects.filter(user=user, pk=call_id).select_related("agent", "server", "approval").first()
    if found is None:
        raise NotFound("There is no such call; its receipt may have been deleted for its age.", code="call_not_found")
    return found


@dataclass(frozen=True)
class CallPage:
    """A page of the list, newest first unless told, with the query strings of the pages beside it (empty: there is none)."""

    calls: list[ToolCall]
    newer: str
    older: str


def page_of(user: User, query: CallQuery, size: int = 0) -> CallPage:
    """The page that the query names. As calls come in, a page stays what it was; one without a place is the newest."""
    size = size or PER_PAGE
    found = calls_for(user, query).defer(*BULKY)
    before, after = Place.parse(query.before), Place.parse(query.after)
    upwards = after is not None
    if after is not None:
        rows = list(found.filter(after.newer).order_by("created_at", "id")[: size + 1])
    else:
        rows = list((found if before is None else found.filter(before.older)).order_by("-created_at", "-id")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if upwards:
        rows.reverse()
    newer = bool(rows) and (more if upwards else before is not None)
    older = bool(rows) and (upwards or more)
    return CallPage(
        rows,
        replace(query, before="", after=str(Place.of(rows[0]))).encoded if newer else "",
        replace(query, before=str(Place.of(rows[-1])), after="").encoded if older else "",
    )


def run_of(user: User, run: UUID) -> QuerySet[ToolCall]:
    """The calls of one run, oldest first, without what is long of them."""
    return ToolCall.objects.filter(user=user, run=run).defer(*BULKY).order_by("created_at", "id")


def agents_called_by(user: User) -> list[str]:
    """The names of the user's agents, to choose from."""
    return list(user.agents.order_by("name").values_list("name", flat=True).distinct()[:200])
