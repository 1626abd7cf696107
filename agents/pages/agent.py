"""What the pages of one agent show, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from agents.models import Agent
from agents.pages.counting import Counts, counts_of
from agents.pages.ranking import ranked_rows
from agents.pages.tool_list import SHOWN, ToolQuery, connected_servers, page_of_tools
from agents.selectors import agent_for


def head(user: User, agent_id: UUID) -> dict[str, Any]:
    """What every page of an agent shows; raises `NotFound`."""
    agent = agent_for(user, agent_id)
    return {"agent": agent, "counts": counts_of([agent.pk]).get(agent.pk, Counts())}


def overview(user: User, agent_id: UUID, query: ToolQuery) -> dict[str, Any]:
    """The servers that it is connected to, and its tools: a page of them, or those that suit a request in words."""
    context = head(user, agent_id)
    agent: Agent = context["agent"]
    servers = connected_servers(agent)
    context |= {"query": query, "servers": servers, "shows": SHOWN}
    if query.search and (ranked := ranked_rows(agent, servers, query)) is not None:
        return {**context, "rows": ranked}
    page, rows = page_of_tools(agent, servers, query)
    return {**context, "page": page, "rows": rows}
