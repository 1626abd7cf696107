"""Reads; each starts from the user who asks."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Agent, Grant, ToolCall
from mcp_registry.models import McpServer


def tool_calls_for(user: User) -> QuerySet[ToolCall]:
    """The receipts of this user's calls, newest first."""
    return ToolCall.objects.filter(user=user)


def agents_for(user: User) -> QuerySet[Agent]:
    """This user's agents, by name."""
    return Agent.objects.filter(owner=user)


def agent_for(user: User, agent_id: UUID | str) -> Agent:
    """One of this user's agents; raises `NotFound`."""
    found = agents_for(user).filter(pk=uuid).first() if (uuid := _uuid(agent_id)) else None
    if found is None:
        raise NotFound("You have no such agent; it may have been deleted.", code="agent_not_found")
    return found


def grants_for(user: User) -> QuerySet[Grant]:
    """The grants of this user's agents, by their servers' names, with all that `status_of` reads of a server."""
    return Grant.objects.filter(agent__owner=user).select_related("agent", "server__toolbox", "server__deployment")


def grants_on(user: User, server: McpServer) -> QuerySet[Grant]:
    """Those of the user's grants that reach this server now, by the agent's name."""
    is_over = Q(expires_at__lte=timezone.now())
    return grants_for(user).filter(server=server).exclude(is_over).select_related("agent").order_by("agent__name", "agent__pk")


def grant_for(user: User, grant_id: UUID | str) -> Grant:
    """A grant of one of this user's agents; raises `NotFound`."""
    found = grants_for(user).filter(pk=uuid).first() if (uuid := _uuid(grant_id)) else None
    if found is None:
        raise NotFound("There is no such grant; it may have been revoked.", code="grant_not_found")
    return found


def _uuid(text: UUID | str) -> UUID | None:
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        return None
