"""No page and no list of agents makes queries that grow with what it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from agents.models import Agent, Grant, GrantedTool
from agents.services.agents import create_agent
from agents.services.grants import grant
from mcp_registry.models import McpServer, Tool
from tests.agents.pages.conftest import a_tool, offers

PAGES = (
    *("/agents/", "/agents/{agent}/", "/agents/{agent}/?show=ask", "/agents/{agent}/held/", "/agents/{agent}/servers/"),
    *("/agents/{agent}/servers/{server}/", "/agents/{agent}/servers/{server}/tools/read_file/"),
)
LISTS = (
    *("/api/v1/agents/", "/api/v1/agents/{agent}/grants/", "/api/v1/agents/{agent}/held/"),
    "/api/v1/agents/{agent}/grants/{grant}/tools/",
)
MANY = 10_000


def queries(get: Callable[[str], Any], path: str) -> int:
    get(path)  # what is read once per session does not count
    with CaptureQueriesContext(connection) as captured:
        assert get(path).status_code == 200
    return len(captured)


@pytest.fixture
def grow(user: User, agent: Agent, granted: Grant, make_server: Callable[..., McpServer]) -> Callable[[], dict[str, Any]]:
    """Adds a few of everything that lists show: agents, servers, tools, tools that are held back."""
    counted = iter(range(1, 100))

    def add() -> dict[str, Any]:
        number = next(counted)
        create_agent(owner=user, name=f"Agent {number}")
        for _ in range(3):
            server = make_server()
            grant(owner=user, agent_id=agent.pk, server_id=server.pk)
            offers(server, (a_tool("echo", "Says something else."), *(a_tool(f"t{n}") for n in range(4 * number))), "d")
        changed = (*(a_tool(f"new_{n}") for n in range(3 * number)), a_tool("read_file"), a_tool("delete_file", f"Changed {number}."))
        offers(granted.server, changed, "ef"[number % 2])
        return {"agent": agent.pk, "server": granted.server_id, "grant": granted.pk}

    return add


@pytest.mark.parametrize("path", PAGES)
def test_pages(browser: Client, grow: Callable[[], dict[str, Any]], path: str) -> None:
    path = path.format(**grow())
    before = queries(browser.get, path)
    grow()
    assert queries(browser.get, path) == before


@pytest.mark.parametrize("path", LISTS)
def test_api(api: APIClient, grow: Callable[[], dict[str, Any]], path: str) -> None:
    path = path.format(**grow())
    before = queries(api.get, path)
    grow()
    assert queries(api.get, path) == before


@pytest.fixture
def many(granted: Grant) -> Grant:
    """An agent with 10,000 tools more, some of which are held back."""
    names = [f"tool_{number:05}" for number in range(MANY)]
    Tool.objects.bulk_create(
        Tool(server=granted.server, position=10 + number, name=name, digest="d" * 64, definition=a_tool(name))
        for number, name in enumerate(names)
    )
    GrantedTool.objects.bulk_create(
        GrantedTool(grant=granted, name=name, digest=("d" if number % 10 else "e") * 64) for number, name in enumerate(names)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mcp_registry_tool, agents_grantedtool")
    return granted


@pytest.mark.parametrize("query", ["", "?show=held", "?show=ask", "?page=150"])
def test_ten_thousand_tools(browser: Client, agent: Agent, many: Grant, query: str) -> None:
    path = f"/agents/{agent.pk}/{query}"
    browser.get(path)
    with CaptureQueriesContext(connection) as captured:
        page = browser.get(path).content.decode()
    assert "1000 held back" in page
    assert len(captured) < 40
    assert page.count("<tr") < 500
