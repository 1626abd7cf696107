"""What tests of the pages of agents share: an agent, and servers whose tools are told of as a toolbox does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from accounts.models import User
from agents.models import Agent, Grant
from agents.services.agents import create_agent
from agents.services.grants import grant
from mcp_registry.models import McpServer
from mcp_registry.services.observation import observe
from tests.conftest import state_of

type Definition = dict[str, Any]


def a_tool(name: str, description: str = "", **more: Any) -> Definition:
    """A tool with one text argument."""
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": "Where."}}, "required": ["path"]}
    return {"name": name, "description": description or f"Does {name}.", "inputSchema": schema, **more}


def offers(server: McpServer, tools: Iterable[Definition], tools_hash: str) -> None:
    """The server's toolbox tells of these tools."""
    server.refresh_from_db()
    observe(server_id=server.pk, state=state_of(server, tools=tuple(tools), tools_hash=tools_hash * 64))


@pytest.fixture
def agent(user: User) -> Agent:
    return create_agent(owner=user, name="Release notes", instructions="Writes release notes.")


@pytest.fixture
def files(make_server: Callable[..., McpServer]) -> McpServer:
    """A server with three tools: one that reads, one that destroys, one that says nothing of itself."""
    server = make_server(name="files")
    tools = (
        a_tool("read_file", annotations={"readOnlyHint": True}),
        a_tool("delete_file", annotations={"destructiveHint": True}),
        a_tool("touch_file"),
    )
    offers(server, tools, "b")
    return server


@pytest.fixture
def granted(user: User, agent: Agent, files: McpServer) -> Grant:
    """The agent may use all of it."""
    return grant(owner=user, agent_id=agent.pk, server_id=files.pk)
