"""Which tools an entry's page shows, and whose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import CatalogEntry, EntryVersion, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.entry_tools import DESCRIPTION_LIMIT, TOOLS_LIMIT
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import deploy_server
from tests.conftest import server_json, state_of
from toolboxes.models import Toolbox

SETTINGS = {"config": {"CITY": "Kyiv"}, "secrets": {"API_KEY": "canary-4711"}}
TOOL = {"name": "searchNodes", "description": "Finds nodes.", "inputSchema": {}, "annotations": {"readOnlyHint": True, "title": "Search"}}


@pytest.fixture
def report(user: User, toolbox: Toolbox) -> Callable[..., McpServer]:
    """A server of an entry, whose toolbox reports these tools."""

    def make(entry: CatalogEntry, *tools: dict[str, Any], **settings: Any) -> McpServer:
        server = deploy_server(owner=user, entry=entry, toolbox=toolbox, **settings)
        McpServer.objects.filter(pk=server.pk).update(**{name: value for name, value in settings.items() if name == "overrides"})
        observe(server_id=server.pk, state=state_of(server, tools=tools or (TOOL,), tools_hash="b" * 64))
        return server

    return make


@pytest.fixture
def public(weather: CatalogEntry) -> CatalogEntry:
    """An entry that everybody sees, with a setting that it needs."""
    CatalogEntry.objects.filter(pk=weather.pk).update(published_at=timezone.now())
    weather.refresh_from_db()
    return weather


def shown(entry: CatalogEntry) -> list[str] | None:
    entry.refresh_from_db()
    return None if entry.tools is None else [tool["name"] for tool in entry.tools]


def test_of_a_server_without_settings_they_are_the_entrys(
    browser: Client, api: APIClient, catalog: dict[str, CatalogEntry], report: Callable[..., McpServer]
) -> None:
    entry = catalog["memory"]
    assert "Its tools are not known yet" in browser.get(f"/catalog/{entry.pk}/").content.decode()
    report(entry)
    assert shown(entry) == ["searchNodes"]
    assert (entry.tools_version, entry.tool_names) == (entry.version, "search nodes")
    page = browser.get(f"/catalog/{entry.pk}/").content.decode()
    assert "<code>searchNodes</code>" in page
    assert "read-only" in page.split('id="entry-tools"')[1]
    detail = api.get(f"/api/v1/catalog/{entry.pk}/").data
    assert detail["tools"][0]["annotations"] == {"readOnlyHint": True}
    assert detail["versions"][0]["version"] == entry.version
    assert "memory" in [found["slug"] for found in api.get("/api/v1/catalog/", {"search": "nodes"}).data["results"]]


def test_of_a_server_with_settings_they_are_its_owners(public: CatalogEntry, report: Callable[..., McpServer]) -> None:
    report(public, **SETTINGS)
    assert shown(public) is None


def test_unless_the_owner_lets_them_be_shown(browser: Client, public: CatalogEntry, toolbox: Toolbox) -> None:
    form = {"setting-CITY": "Kyiv", "shares_tools": "on"}
    assert browser.post(f"/catalog/{public.pk}/", form).status_code == 302
    server = McpServer.objects.get()
    assert server.shares_tools
    observe(server_id=server.pk, state=state_of(server, tools=(TOOL,), tools_hash="b" * 64))
    assert shown(public) == ["searchNodes"]


def test_of_a_private_entry_they_are_always_shown(browser: Client, weather: CatalogEntry, report: Callable[..., McpServer]) -> None:
    assert "shares_tools" not in browser.get(f"/catalog/{weather.pk}/").content.decode()
    report(weather, **SETTINGS)
    assert shown(weather) == ["searchNodes"]


def test_an_older_version_takes_nothing_from_a_newer_one(user: User, weather: CatalogEntry, report: Callable[..., McpServer]) -> None:
    newer = add_entry(owner=user, document=server_json(version="2.0.0"))
    EntryVersion.objects.filter(entry=newer, version="1.2.3").update(published_at=timezone.now() - timedelta(days=9))
    report(newer, {**TOOL, "name": "old"}, version="1.2.3", **SETTINGS)
    assert (shown(newer), newer.tools_version) == (["old"], "1.2.3"), "better than nothing"
    report(newer, {**TOOL, "name": "new"}, **SETTINGS)
    assert (shown(newer), newer.tools_version) == (["new"], "2.0.0")
    report(newer, {**TOOL, "name": "old"}, version="1.2.3", **SETTINGS)
    assert shown(newer) == ["new"]


def test_what_a_server_says_of_itself_is_bounded(browser: Client, weather: CatalogEntry, report: Callable[..., McpServer]) -> None:
    odd: dict[str, Any] = {
        "name": "n" * 255, "title": ["no", "text"], "description": "<script>alert(1)</script>" + "d" * 5000, "annotations": ["odd"]
    }  # fmt: skip
    wrong = {"name": "wrong", "description": None, "annotations": {"readOnlyHint": "yes", "evil": True, "destructiveHint": True}}
    report(weather, odd, wrong, *({**TOOL, "name": f"tool_{number}"} for number in range(400)), **SETTINGS)
    weather.refresh_from_db()
    assert weather.tools is not None
    assert len(weather.tools) == TOOLS_LIMIT
    assert [len(weather.tools[0][part]) for part in ("name", "title", "description")] == [200, 0, DESCRIPTION_LIMIT]
    assert weather.tools[1]["annotations"] == {"destructiveHint": True}
    assert len(weather.tool_names) <= 10_000
    assert "<script>alert" not in browser.get(f"/catalog/{weather.pk}/").content.decode()


def test_no_settings_of_anybody_are_on_the_page(browser: Client, public: CatalogEntry, report: Callable[..., McpServer]) -> None:
    report(public, **SETTINGS, shares_tools=True)
    page = browser.get(f"/catalog/{public.pk}/").content.decode()
    assert "searchNodes" in page
    assert "canary-4711" not in page
    assert "Kyiv" not in page
