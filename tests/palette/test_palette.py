"""What the command palette finds, in which order, and how quickly."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from agentopia.lib import palette
from agentopia.lib.palette import Found
from mcp_registry.models import CatalogEntry, McpServer, Tool
from toolboxes.models import Toolbox

SERVERS, TOOLS_EACH = 1000, 20
VERBS = ("create", "read", "list", "delete", "update", "search", "merge", "open", "close", "send")
THINGS = ("issue", "file", "page", "message", "table", "branch", "comment", "event", "invoice", "ticket")


def titles(user: User, text: str) -> list[str]:
    return [thing.title for thing in palette.find(user, text)]


def named(user: User, toolbox: Toolbox, *names: str) -> list[McpServer]:
    return McpServer.objects.bulk_create(McpServer(owner=user, toolbox=toolbox, name=name, manifest={}, version="1") for name in names)


def offering(server: McpServer, *names: str) -> None:
    Tool.objects.bulk_create(Tool(server=server, position=n, name=name, definition={}, digest="d") for n, name in enumerate(names))


@pytest.fixture
def many(user: User, toolbox: Toolbox) -> list[McpServer]:
    """1,000 servers with 20,000 tools."""
    servers = named(user, toolbox, *(f"server-{n:04}" for n in range(SERVERS)))
    names = [f"{verb}_{thing}" for verb in VERBS for thing in THINGS]
    Tool.objects.bulk_create(
        Tool(server=server, position=n, name=names[(number * 7 + n) % 100], definition={}, digest="d")
        for number, server in enumerate(servers)
        for n in range(TOOLS_EACH)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mcp_registry_tool, mcp_registry_mcpserver")
    return servers


def test_exact_then_the_beginning_then_words_then_parts(user: User, toolbox: Toolbox) -> None:
    named(user, toolbox, "my-git", "digital", "git", "github", "other")
    assert titles(user, "git")[:4] == ["git", "github", "my-git", "digital"]


def test_what_is_written_alike_is_found_last(user: User, toolbox: Toolbox) -> None:
    named(user, toolbox, "postgres", "weather")
    assert titles(user, "postgers") == ["postgres"]


def test_tools_are_found_with_their_servers(user: User, toolbox: Toolbox) -> None:
    hub, lab = named(user, toolbox, "github", "gitlab")
    offering(hub, "create_issue", "list_issues")
    offering(lab, "create_issue")
    found = palette.find(user, "issue github")
    assert [(thing.kind, thing.title, thing.detail) for thing in found] == [
        ("Tool", "list_issues", "of github"), ("Tool", "create_issue", "of github"),
    ]  # fmt: skip
    assert found[1].url == f"/servers/{hub.pk}/tools/create_issue/"
    assert [thing.title for thing in palette.find(user, "github")] == ["github"], "not all of its tools"


def test_pages_and_actions_are_found_by_what_one_might_call_them(user: User) -> None:
    assert titles(user, "deploy")[0] == "Deploy a server"
    assert titles(user, "droplet") == ["Add a toolbox"]
    assert titles(user, "dark") == ["Dark theme"]
    assert "Administration" not in titles(user, "admin")
    user.is_staff = True
    assert "Administration" in titles(user, "admin")


def test_without_words_it_offers_what_was_touched_last(user: User, make_server: Callable[..., McpServer]) -> None:
    make_server(name="older")
    make_server(name="newer")
    found = palette.find(user, " ")
    servers = [thing.title for thing in found if thing.kind == "Server"]
    assert servers == ["newer", "older"]
    assert "Deploy a server" in [thing.title for thing in found]


def test_the_catalogue_and_toolboxes(user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    assert ("Toolbox", "box") in [(thing.kind, thing.title) for thing in palette.find(user, "box")]
    entry = catalog["everything"]
    assert ("Catalogue", entry.title, f"/catalog/{entry.pk}/") in [(t.kind, t.title, t.url) for t in palette.find(user, entry.title)]


def test_nothing_of_another_users(user: User, stranger: User, toolbox: Toolbox) -> None:
    (server,) = named(user, toolbox, "canary")
    offering(server, "canary_tool")
    assert titles(user, "canary") == ["canary", "canary_tool"]
    assert titles(stranger, "canary") == []


@pytest.mark.parametrize("text", ["%", "_", "\\", "'; --", "\0", "a" * 500, "<script>", "é", "a b c d e f g h i j"])
def test_whatever_is_typed(browser: Client, toolbox: Toolbox, text: str) -> None:
    answer = browser.get("/search/", {"q": text})
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode()


def test_percent_is_a_letter(user: User, toolbox: Toolbox) -> None:
    named(user, toolbox, "alpha")
    assert titles(user, "%") == []
    assert titles(user, "a_p") == []


def test_the_list_is_a_listbox(browser: Client, user: User, toolbox: Toolbox) -> None:
    named(user, toolbox, "one", "onerous")
    page = browser.get("/search/", {"q": "one"}).content.decode()
    assert re.findall(r'role="option" tabindex="-1" aria-selected="(\w+)" href="([^"]*)"', page)[0][0] == "true"
    assert page.count('aria-selected="true"') == 1
    assert "Nothing is called “zzz”" in browser.get("/search/", {"q": "ZZZ"}).content.decode()


def test_an_app_adds_its_own(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Found("Agent", "Helper", "", "/agents/1/", "bot")
    monkeypatch.setattr(palette, "sources", [*palette.sources, lambda user, words, limit: [helper]])
    assert palette.find(user, "help") == [helper]


def test_its_queries_do_not_grow_with_20_000_tools(
    browser: Client, many: list[McpServer], django_assert_max_num_queries: Callable[..., object]
) -> None:
    """`make bench BENCH=pages` measures how long it takes."""
    for text in ("", "c", "se", "issue", "creat issu", "create_issue", "server-0500", "merge branch", "craete_isue", "nothing such"):
        with django_assert_max_num_queries(25):
            assert browser.get("/search/", {"q": text}).status_code == 200
