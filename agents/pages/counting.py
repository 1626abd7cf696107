"""How many tools agents have, and how many of them are held back: two queries for any number of agents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Count, F, Func, Q
from django.utils import timezone

from agents.models import Grant, GrantedTool


@dataclass(frozen=True)
class Counts:
    """Of one agent: the servers that it is connected to, the tools that it may call, and those that are held back from it."""

    servers: int = 0
    offered: int = 0
    held: int = 0


def counts_of(agent_ids: Iterable[UUID]) -> dict[UUID, Counts]:
    """By agent; one that is connected to no server is left out. What has ended counts no more."""
    wanted, now = list(agent_ids), timezone.now()
    grants: Any = Grant.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), agent__in=wanted).order_by().values("agent")
    tools = Count("server__tools", filter=Q(server__tools__isnull=False) & _chosen("tools", "server__tools__name"))
    rows = grants.annotate(connected=Count("server", distinct=True), all_tools=tools)
    offered = _offered(wanted)
    return {row["agent"]: Counts(row["connected"], found := offered.get(row["agent"], 0), max(0, row["all_tools"] - found)) for row in rows}


def _offered(agent_ids: list[UUID]) -> dict[UUID, int]:
    """How many tools there are whose definition is the approved one; joined from both sides, which is quickest for many."""
    approved: Any = (
        GrantedTool.objects.filter(Q(grant__expires_at=None) | Q(grant__expires_at__gt=timezone.now()), grant__agent__in=agent_ids)
        .filter(grant__server__tools__name=F("name"), grant__server__tools__digest=F("digest"))
        .filter(_chosen("grant__tools", "name"))
        .order_by()
        .values("grant__agent")
        .annotate(count=Count("pk"))
    )
    return {row["grant__agent"]: row["count"] for row in approved}


def _chosen(tools: str, name: str) -> Q:
    """Whether a grant is for a tool, both given as paths."""
    return Q(**{f"{tools}__isnull": True}) | Q(Func(F(tools), F(name), function="jsonb_exists", output_field=BooleanField()))
