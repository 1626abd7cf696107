"""Rows that change together are held in one order everywhere: the server, the grant, its tools, the agent."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Agent, Grant
from agents.selectors import grant_for
from mcp_registry.models import McpServer


def locked_server(server_id: UUID) -> McpServer:
    """The server, which nothing is observed of while the caller's transaction lasts. Raises `NotFound`."""
    server = McpServer.objects.select_for_update(no_key=True).filter(pk=server_id).first()
    if server is None:
        raise NotFound("You have no such server; it may have been deleted.", code="server_not_found")
    return server


def locked_grant(owner: User, grant_id: UUID | str) -> Grant:
    """A grant of the owner's that nobody else changes meanwhile, nor its server's tools. Raises `NotFound`."""
    found = grant_for(owner, grant_id)
    server = locked_server(found.server_id)
    row = Grant.objects.select_for_update(of=("self",), no_key=True).select_related("agent").filter(pk=found.pk).first()
    if row is None:
        raise NotFound("There is no such grant; it may have been revoked.", code="grant_not_found")
    row.server = server
    return row


def locked_agent(agent_id: UUID, *, to_delete: bool = False) -> Agent:
    """The agent, which nobody else changes meanwhile, nor adds grants to. Raises `NotFound`."""
    agent = Agent.objects.select_for_update(no_key=not to_delete).filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("You have no such agent; it may have been deleted.", code="agent_not_found")
    return agent
