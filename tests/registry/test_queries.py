"""No list makes queries that grow with its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.servers import restart_server
from tests.conftest import server_json
from tests.intake import enrolled
from toolboxes.models import Toolbox

PAGES = ("/", "/servers/", "/toolboxes/", "/catalog/")
LISTS = ("/api/v1/servers/", "/api/v1/catalog/", "/api/v1/toolboxes/")
OF_A_SERVER = ("/servers/{}/", "/servers/{}/history/", "/api/v1/servers/{}/deployments/", "/api/v1/servers/{}/tools/")


def queries(get: Callable[[str], Any], path: str) -> int:
    get(path)  # what is read once per session does not count
    with CaptureQueriesContext(connection) as captured:
        assert get(path).status_code == 200
    return len(captured)


@pytest.fixture
def grow(user: User, make_server: Callable[..., McpServer]) -> Callable[[], McpServer]:
    """Adds a few of everything that lists show."""
    first = make_server()

    def add() -> McpServer:
        for _ in range(4):
            make_server()
            restart_server(owner=user, server_id=first.pk)
            number = Toolbox.objects.count()
            enrolled(Toolbox.objects.create(owner=user, name=f"box-{number}", provider="own_server"))
            add_entry(owner=user, document=server_json(name=f"org.example/e{number}"))
        return first

    return add


@pytest.mark.parametrize("path", [*PAGES, *OF_A_SERVER[:2]])
def test_pages(browser: Client, grow: Callable[[], McpServer], path: str) -> None:
    path = path.format(grow().pk)
    before = queries(browser.get, path)
    grow()
    assert queries(browser.get, path) == before


@pytest.mark.parametrize("path", [*LISTS, *OF_A_SERVER[2:]])
def test_api(api: APIClient, grow: Callable[[], McpServer], path: str) -> None:
    path = path.format(grow().pk)
    before = queries(api.get, path)
    grow()
    assert queries(api.get, path) == before
