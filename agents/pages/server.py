"""What the pages show on which an agent is connected to servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Agent, Grant
from agents.pages.agent import head
from agents.pages.agent_list import AgentQuery
from agents.pages.held import names_elsewhere
from agents.pinning.inspection import Finding, holds, inspect
from mcp_registry.models import McpServer, Tool
from mcp_registry.selectors import server_for, tools_of
from mcp_registry.server_list import listed, rows_of
from mcp_registry.status import status_of
from mcp_registry.upgrading.tool_changes import visible

PER_PAGE = 50
MOST_INSPECTED = 500


def choice(user: User, agent_id: UUID, query: AgentQuery) -> dict[str, Any]:
    """The user's servers to choose from, those that the agent is connected to first."""
    context = head(user, agent_id)
    grants = Grant.objects.filter(agent=agent_id, server=OuterRef("pk"))
    found = listed(user).exclude(desired=McpServer.Desired.ABSENT).annotate(connected=Exists(grants)).order_by("-connected", "name")
    total = McpServer.objects.filter(owner=user).exclude(desired=McpServer.Desired.ABSENT).count()
    for word in query.search.split():
        found = found.filter(name__icontains=word)
    page = Paginator(found, PER_PAGE).get_page(query.page)
    return {**context, "query": query, "page": page, "rows": rows_of(page), "total": total}


def server(user: User, agent_id: UUID, server_id: UUID) -> dict[str, Any]:
    """One of the user's servers, with the agent's grant for it, if there is one."""
    context = head(user, agent_id)
    found = server_for(user, server_id)
    return {
        **context,
        "server": found,
        "status": status_of(found),
        "grant": grant_between(context["agent"], found),
        "tool_count": found.tools.count(),
    }


def offered_by(found: McpServer) -> list[Tool]:
    """The server's tools as last discovered."""
    return list(tools_of(found))


def conspicuous(agent: Agent, tools: Sequence[Tool]) -> list[tuple[str, Sequence[Finding]]]:
    """Those of a server's tools, by name, that say something serious of themselves: to be told before the server is connected."""
    if not tools:
        return []
    elsewhere, _ = names_elsewhere(agent, [tools[0].server_id])[tools[0].server_id]
    here = {tool.name for tool in tools}
    found = ((visible(tool.name[:300]), inspect(tool.definition, elsewhere, here)) for tool in tools[:MOST_INSPECTED])
    return [(name, findings) for name, findings in found if holds(findings)]


def grant_between(agent: Agent, found: McpServer) -> Grant | None:
    """The grant of the agent for the server."""
    return agent.grants.filter(server=found).first()


def grant_or_refusal(agent: Agent, found: McpServer) -> Grant:
    """The same; raises `NotFound` where there is none."""
    grant = grant_between(agent, found)
    if grant is None:
        raise NotFound(f"“{agent.name}” is not connected to “{found.name}”, or no longer.", code="grant_not_found")
    return grant
