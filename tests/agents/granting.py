"""Agents with grants, and servers whose tools change, for tests of whatever acts for an agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from accounts.models import User
from agents.models import Agent, Grant
from agents.services.agents import create_agent
from agents.services.grants import grant
from dtma_wire import Phase
from mcp_registry.models import McpServer
from mcp_registry.services.observation import observe
from tests.conftest import state_of


def tool(name: str, description: str = "Does it.", **more: Any) -> dict[str, Any]:
    """A definition as a server gives it."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


def tell_tools(server: McpServer, tools: Iterable[Mapping[str, Any]], phase: Phase = Phase.RUNNING) -> None:
    """The server's toolbox reports that these are its tools now."""
    server.refresh_from_db()
    state = state_of(server, phase, tools=tuple(dict(each) for each in tools), tools_hash=uuid4().hex * 2)
    observe(server_id=server.pk, state=state)


def agent_with(owner: User, *servers: McpServer, name: str = "Helper", **fields: Any) -> Agent:
    """An agent that is connected to these servers; ``fields`` are those of its grants."""
    agent = create_agent(owner=owner, name=name)
    for server in servers:
        grant(owner=owner, agent_id=agent.pk, server_id=server.pk, **fields)
    return agent


def grant_of(agent: Agent) -> Grant:
    """The only grant of an agent."""
    return Grant.objects.select_related("agent", "server").get(agent=agent)
