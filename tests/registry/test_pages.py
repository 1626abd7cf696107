"""What the dashboard's pages say and offer, and to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.servers import deploy_server, restart_server
from tests.conftest import with_profile
from tests.intake import enrolled
from toolboxes.models import Toolbox

HTMX = {"HX-Request": "true"}


def test_a_new_user_is_offered_first_steps(browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    page = browser.get("/").content.decode()
    assert "Deploy your first MCP server" in page
    assert all(f'aria-label="Deploy {catalog[slug].title}"' in page for slug in ("time", "everything", "memory"))


def test_without_a_toolbox_the_button_is_disabled_and_the_page_says_why(browser: Client, catalog: dict[str, CatalogEntry]) -> None:
    page = browser.get("/catalog/").content.decode()
    assert "There is no toolbox to deploy to" in page
    assert page.count('type="button" disabled aria-describedby="no-toolbox"') == page.count('class="tile"') > 0


def test_what_needs_a_setting_is_set_up(
    browser: Client, user: User, toolbox: Toolbox, weather: CatalogEntry, catalog: dict[str, CatalogEntry]
) -> None:
    enrolled(Toolbox.objects.create(owner=user, name="second", provider="own_server"))
    assert f'aria-label="Set up {weather.title}"' in browser.get("/catalog/?search=weather").content.decode()
    page = browser.get("/catalog/?search=time").content.decode()
    assert 'aria-label="Deploy Time"' in page, "with several toolboxes, where it fits best"


def test_one_click_leads_to_the_servers_page(browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    answer = browser.post(f"/catalog/{catalog['time'].pk}/", headers=HTMX)
    server = McpServer.objects.get(name="time")
    assert answer.headers["HX-Redirect"] == f"/servers/{server.pk}/"


def test_one_click_on_what_needs_more_says_what(browser: Client, toolbox: Toolbox, weather: CatalogEntry) -> None:
    answer = browser.post(f"/catalog/{weather.pk}/", headers=HTMX)
    assert "City: This field is required." in answer.content.decode()
    assert answer.headers["HX-Reswap"] == "none"
    assert not McpServer.objects.exists()


def test_a_form_that_comes_back_keeps_what_was_typed_but_no_secret(browser: Client, toolbox: Toolbox, weather: CatalogEntry) -> None:
    answer = browser.post(f"/catalog/{weather.pk}/", {"name": "Not A Name", "setting-CITY": "Kyiv", "setting-API_KEY": "canary-4711"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="Kyiv"' in page
    assert "Not a valid name." in page
    assert '<details class="more" id="more" open>' in page  # where the name is
    assert "canary-4711" not in page


def test_permissions_are_told_as_they_are(browser: Client, user: User, toolbox: Toolbox) -> None:
    hosts = ["api.example.org", "db.example.org:27017"]
    entry = add_entry(owner=user, document=with_profile(egress="allowlist", hosts=hosts, sessions={"mode": "own", "most": 3}))
    page = browser.get(f"/catalog/{entry.pk}/").content.decode()
    assert "<code>api.example.org</code>, <code>db.example.org:27017</code> and nothing else" in page
    assert "for up to 3 containers" in page
    assert "no network" not in page.lower()
    assert "2 hosts" in browser.get("/catalog/?search=weather").content.decode()


def test_a_folder_is_shared_by_naming_it(browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    form = {"volume-data": "work", "toolbox": toolbox.pk}
    assert browser.post(f"/catalog/{catalog['git'].pk}/", {**form, "volume-data": "../work"}).status_code == 422
    assert browser.post(f"/catalog/{catalog['git'].pk}/", form).status_code == 302
    server = McpServer.objects.get()
    assert server.shared_volumes == {"data": "work"}
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "goes with the last server of the toolbox that names it" in page
    assert "its volume at" not in page


def test_a_deployment_shows_the_steps_to_come(browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    server = deploy_server(owner=user, entry=catalog["time"], toolbox=toolbox)
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    assert [page.count(f'data-state="{state}"') for state in ("waiting", "failed")] == [5, 0]
    assert "They are listed as soon as the server is ready." in page


def test_a_server_that_failed_says_why_with_its_last_words(browser: Client, make_server: Callable[..., McpServer]) -> None:
    last = [{"ts": "2026-01-01T10:00:00Z", "stream": "stderr", "text": "no <such> file"}]
    server = make_server(phase=Phase.CRASHED, reason="It ended at once. Look at its last lines.", exit_code=3, last_log=last)
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "It ended at once. Look at its last lines." in page
    assert "exit code 3" in page
    assert "no &lt;such&gt; file" in page
    assert "Try again" in page


def test_home_tells_what_needs_attention_from_the_rest(browser: Client, make_server: Callable[..., McpServer]) -> None:
    make_server(name="well")
    make_server(name="ill", phase=Phase.CRASHED, reason="It ended at once.")
    page = browser.get("/").content.decode()
    attention, others = page.split("Needs attention")[1].split("Other servers")
    assert ("ill" in attention, "It ended at once." in attention) == (True, True)
    assert others.split("Recent activity")[0].count('class="row"') == 1


def test_the_history_names_each_deployment(browser: Client, user: User, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    restart_server(owner=user, server_id=server.pk)
    page = browser.get(f"/servers/{server.pk}/history/").content.decode()
    page = page[page.index('id="deployments"') :]
    assert page.index("Restarting") < page.index("Deployed")


@pytest.mark.parametrize("view", ["", "log/", "history/", "tools/echo/"])
def test_a_strangers_server_is_not_found(stranger: User, make_server: Callable[..., McpServer], view: str) -> None:
    server = make_server()
    client = Client()
    client.force_login(stranger)
    assert client.get(f"/servers/{server.pk}/{view}").status_code == 404
