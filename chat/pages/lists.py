"""The list of a user's conversations, as it stands beside each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from chat.models import Run
from chat.searching import conversations_found
from chat.selectors import with_newest_run

PER_PAGE = 40
LONGEST_SEARCH = 100


@dataclass(frozen=True)
class ListQuery:
    """Which conversations are asked for; ``page`` counts from 1."""

    search: str = ""
    page: int = 1

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> ListQuery:
        """From a query string; what cannot be used counts as not given."""
        page = str(given.get("page", ""))
        search = str(given.get("search", "")).replace("\0", "").strip()[:LONGEST_SEARCH]
        return cls(search, int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 6 and int(page) else 1)

    @property
    def following(self) -> str:
        """The query string of the next page."""
        return urlencode({"search": self.search, "page": self.page + 1} if self.search else {"page": self.page + 1})


def conversation_list(user: User, query: ListQuery | None = None, current: UUID | None = None) -> dict[str, Any]:
    """A page of it: ``groups`` are ``(name, conversations)``, each conversation with ``state``: "", running or waiting."""
    query = query or ListQuery()
    begin = (query.page - 1) * PER_PAGE
    rows: list[Any] = list(with_newest_run(conversations_found(user, query.search)).select_related("agent")[begin : begin + PER_PAGE + 1])
    for row in rows:
        row.state = {Run.Status.WAITING: "waiting", Run.Status.RUNNING: "running", Run.Status.QUEUED: "running"}.get(
            row.newest_run_status, ""
        )
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    groups = [(name, list(found)) for name, found in groupby(rows[:PER_PAGE], key=lambda row: _group(row, today))]
    return {"list_query": query, "groups": groups, "has_more": len(rows) > PER_PAGE, "current": current}


def _group(row: Any, today: datetime) -> str:
    if row.pinned_at:
        return "Pinned"
    for name, days in (("Today", 0), ("Yesterday", 1), ("This week", 6), ("This month", 30)):
        if row.updated_at >= today - timedelta(days=days):
            return name
    return "Older"
