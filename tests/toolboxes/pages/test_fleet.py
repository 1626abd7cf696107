"""The list of toolboxes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import McpServer
from tests.toolboxes.pages.conftest import GB, Make, info, load
from toolboxes.fleet import ORDERS
from toolboxes.models import Toolbox
from toolboxes.status import State


def names(page: str) -> list[str]:
    """The toolboxes in the list, in order."""
    return re.findall(r'class="cover" id="toolbox-[^>]*>([^<]*)<', page)


def get(browser: Client, query: str = "") -> str:
    answer = browser.get(f"/toolboxes/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_any_it_leads_to_adding_one(browser: Client) -> None:
    page = get(browser)
    assert "No toolbox yet" in page
    assert page.count('href="/toolboxes/add/"') == 2


def test_a_row_says_what_is_known(browser: Client, make: Make) -> None:
    make("alpha", info=info(dtma_version="0.0.1", disk_free_bytes=4 * GB))
    page = get(browser)
    assert all(text in page for text in ("alpha", "Online", "Own server", "0.0.1", "Old DTMA", "Disk nearly full", "of 8.0\xa0GB"))
    assert re.search(r"<dt>Online</dt><dd>1 <small>of 1", page)
    assert re.search(r"<dt>Memory left</dt><dd>6.0\xa0GB", page)


def test_of_a_toolbox_that_does_not_report_no_figure_is_shown(browser: Client, make: Make) -> None:
    make("alpha", state="unresponsive")
    page = get(browser)
    assert "<progress" not in page
    assert page.count("not known") == 3
    assert re.search(r"<dt>Unresponsive</dt><dd data-tone=\"error\">1<", page)
    assert re.search(r"<dt>Memory left</dt><dd>0\xa0bytes", page)


def test_servers_are_counted_and_said_to_run_only_where_that_is_known(
    browser: Client, toolbox: Toolbox, make_server: Callable[..., McpServer]
) -> None:
    make_server()
    make_server(phase=Phase.CRASHED, reason="It broke.")
    assert ">1/2<" in get(browser)
    Toolbox.objects.update(last_seen_at=None, enrolled_at=toolbox.created_at)
    assert ">?/2<" in get(browser)


@pytest.mark.parametrize("key", ORDERS)
def test_every_column_sorts_both_ways_and_the_unknown_is_last(browser: Client, make: Make, key: str) -> None:
    make("b", load=load(cpu_percent=90, memory_used_bytes=7 * GB), info=info(disk_free_bytes=GB, dtma_version="0.0.1"))
    make("a")
    make("c", state="pending")
    up, down = names(get(browser, f"?sort={key}")), names(get(browser, f"?sort=-{key}"))
    assert sorted(up) == sorted(down) == ["a", "b", "c"]
    if key in ("cpu", "memory", "disk"):
        assert (up, down) == (["a", "b", "c"], ["b", "a", "c"])
    if key == "name":
        assert (up, down) == (["a", "b", "c"], ["c", "b", "a"])
    if key == "status":
        assert up[0] == "c"


def test_search_by_name_host_and_address(browser: Client, make: Make) -> None:
    make("alpha", info=info(hostname="mars"), url="https://10.0.0.7:7443")
    make("beta")
    for query in ("?search=ALPH", "?search=mars", "?search=10.0.0.7", "?search=alpha+mars"):
        assert names(get(browser, query)) == ["alpha"]
    page = get(browser, "?search=nothing%00")
    assert "No toolbox is like that" in page
    assert "2 toolboxes" in page


@pytest.mark.parametrize("state", [state for state in State if state is not State.REMOVED])
def test_filter_by_state(browser: Client, make: Make, state: State) -> None:
    for each in State:
        make(f"is-{each}", state=each)
    assert names(get(browser, f"?state={state}")) == [f"is-{state}"]


def test_a_removed_one_is_not_listed_but_its_history_is_kept(browser: Client, make: Make) -> None:
    toolbox = make("gone", state="removed")
    assert names(get(browser)) == names(get(browser, "?state=removed")) == []
    assert f'href="/toolboxes/{toolbox.pk}/events/"' in browser.get("/toolboxes/removed/").content.decode()
    assert browser.get(f"/toolboxes/{toolbox.pk}/events/").status_code == 200
    assert browser.get(f"/toolboxes/{toolbox.pk}/").status_code == 404


@pytest.mark.parametrize("query", ["?page=x", "?page=-1", "?page=999", "?sort=owner__password", "?state=nonsense", "?sort=-"])
def test_what_cannot_be_used_counts_as_not_given(browser: Client, make: Make, query: str) -> None:
    make("alpha")
    assert names(get(browser, query)) == ["alpha"]


def test_htmx_gets_the_list_alone(browser: Client, make: Make) -> None:
    make("alpha")
    page = browser.get("/toolboxes/?search=alp", headers={"HX-Request": "true", "HX-Target": "fleet"}).content.decode()
    assert page.strip().startswith('<div class="stack" id="fleet"')
    assert 'ws-connect="/ws/toolboxes/?search=alp"' in page
    assert "<html" not in page


def test_forty_a_page(browser: Client, user: User) -> None:
    Toolbox.objects.bulk_create(Toolbox(owner=user, name=f"box-{n:03}", provider="own_server") for n in range(100))
    page = get(browser, "?page=3&search=box&sort=-name")
    assert len(names(page)) == 20
    assert "?page=2&amp;search=box&amp;sort=-name" in page


def test_a_strangers_toolbox_is_not_listed(browser: Client, make: Make, stranger: User) -> None:
    make("secret", owner=stranger)
    assert names(get(browser)) == names(get(browser, "?search=secret")) == []
    assert "<dt>Online</dt>" not in get(browser)


@pytest.mark.parametrize("path", ["/toolboxes/", "/toolboxes/?sort=-servers&state=online", "/toolboxes/versions/", "/api/v1/toolboxes/"])
def test_as_many_queries_for_hundreds_as_for_one(browser: Client, user: User, make: Make, path: str) -> None:
    make("first", info=info(dtma_version="0.0.1"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    queries()
    before = queries()
    for n in range(3):
        make(f"more-{n}", info=info(dtma_version="0.0.1"))
    Toolbox.objects.bulk_create(Toolbox(owner=user, name=f"box-{n:03}", provider="own_server") for n in range(300))
    assert queries() == before
