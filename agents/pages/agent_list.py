"""The list of a user's agents: what of it is asked for, and what it shows. It makes as many queries for 1,000 as for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import OuterRef, Q, Subquery

from accounts.models import User
from agents.models import Agent, ToolCall
from agents.pages.counting import Counts, counts_of
from agents.selectors import agents_for

PER_PAGE = 50


@dataclass(frozen=True)
class AgentQuery:
    """Which agents are asked for."""

    search: str = ""
    page: str = "1"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> AgentQuery:
        """From the query string; what cannot be used counts as not given."""
        return cls(search=str(given.get("search", "")).replace("\0", "").strip()[:100], page=str(given.get("page", "1")))

    @property
    def encoded(self) -> str:
        """As a query string, without what is not given."""
        return urlencode({name: value for name, value in vars(self).items() if value != getattr(AgentQuery, name)})


@dataclass(frozen=True)
class Row:
    """An agent in the list; ``called_at`` is when it last called a tool."""

    agent: Agent
    counts: Counts
    called_at: datetime | None


def agent_list(user: User, query: AgentQuery) -> dict[str, Any]:
    """One page of the list, by name."""
    called = ToolCall.objects.filter(agent=OuterRef("pk")).order_by("-created_at").values("created_at")[:1]
    found: Any = agents_for(user).annotate(called_at=Subquery(called))
    for word in query.search.split():
        found = found.filter(Q(name__icontains=word) | Q(slug__icontains=word) | Q(instructions__icontains=word))
    page = Paginator(found, PER_PAGE).get_page(query.page)
    agents = list(page)
    counts = counts_of(agent.pk for agent in agents)
    total = agents_for(user).count() if query.search else page.paginator.count
    return {
        "query": query,
        "page": page,
        "rows": [Row(agent, counts.get(agent.pk, Counts()), agent.called_at) for agent in agents],
        "total": total,
    }
