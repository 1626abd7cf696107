"""Deleting in the dashboard: what becomes of the data is chosen, and can be undone where it is kept."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from mcp_registry.models import KeptData, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.kept_data import keep_data_of
from mcp_registry.services.servers import deploy_server
from tests.conftest import with_profile
from toolboxes.models import Toolbox

DATA = [{"name": "data", "path": "/data"}, {"name": "work", "path": "/work"}]


@pytest.fixture
def server(user: User, toolbox: Toolbox) -> McpServer:
    """One that keeps data of its own at /data, and works in the folder “team” at /work."""
    entry = add_entry(owner=user, document=with_profile(volumes=DATA))
    return deploy_server(owner=user, entry=entry, toolbox=toolbox, config={"CITY": "Oslo"}, shared_volumes={"work": "team"})


@pytest.fixture
def kept(server: McpServer) -> KeptData:
    kept = keep_data_of(server)
    server.delete()
    return kept


def test_the_dialog_names_what_is_kept_and_what_is_lost(browser: Client, server: McpServer) -> None:
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    dialog = page[page.index('id="delete"') :]
    assert 'value="keep" checked' in dialog
    assert "<code>/data</code>" in dialog
    assert "The shared folder <code>team</code> stays" in dialog
    assert 'name="confirmation"' in dialog


def test_kept_data_can_be_had_back_from_the_toast(browser: Client, server: McpServer) -> None:
    browser.post(f"/servers/{server.pk}/delete/", {"volumes": "keep"})
    server.refresh_from_db()
    assert (server.desired, server.keep_volumes) == ("absent", True)
    page = browser.get("/servers/").content.decode()
    assert f'hx-post="/servers/{server.pk}/restore/"' in page
    assert 'href="/servers/kept/"' in page
    assert "is being deleted, its data is kept" in browser.get("/servers/kept/").content.decode()
    assert browser.post(f"/servers/{server.pk}/restore/").status_code == 302
    server.refresh_from_db()
    assert server.desired == "running"


@pytest.mark.parametrize("typed", ["", "something"])
def test_data_goes_only_where_the_name_was_typed(browser: Client, server: McpServer, typed: str) -> None:
    answer = browser.post(f"/servers/{server.pk}/delete/", {"volumes": "remove", "confirmation": typed}, headers={"HX-Request": "true"})
    assert "Nothing was deleted" in answer.content.decode()
    browser.post(f"/servers/{server.pk}/delete/", {"confirmation": typed})
    server.refresh_from_db()
    assert server.desired == "running"
    browser.post(f"/servers/{server.pk}/delete/", {"volumes": "remove", "confirmation": server.name})
    server.refresh_from_db()
    assert (server.desired, server.keep_volumes) == ("absent", False)


def test_one_that_stores_nothing_is_deleted_without_typing(browser: Client, user: User, toolbox: Toolbox) -> None:
    server = deploy_server(owner=user, entry=add_entry(owner=user, document=with_profile()), toolbox=toolbox, config={"CITY": "Oslo"})
    assert 'name="confirmation"' not in browser.get(f"/servers/{server.pk}/").content.decode()
    browser.post(f"/servers/{server.pk}/delete/", {"volumes": "remove"})
    server.refresh_from_db()
    assert server.desired == "absent"


def test_what_is_kept_is_listed_with_where_its_data_was(browser: Client, kept: KeptData) -> None:
    page = browser.get("/servers/kept/").content.decode()
    assert kept.name in page
    assert "<code>/data</code>" in page
    assert "/work" not in page, "that is in a folder which others may use"


def test_nothing_kept_says_so(browser: Client) -> None:
    assert "Nothing is kept" in browser.get("/servers/kept/").content.decode()


def test_it_is_removed_for_good_only_where_the_name_was_typed(browser: Client, kept: KeptData) -> None:
    url = f"/servers/kept/{kept.pk}/remove/"
    page = browser.get(url).content.decode()
    assert "The shared folder <code>team</code> stays" in page
    assert browser.post(url, {"confirmation": "no"}).status_code == 422
    assert KeptData.objects.filter(pk=kept.pk).exists()
    assert browser.post(url, {"confirmation": kept.name}).status_code == 302
    assert McpServer.objects.get(pk=kept.pk).desired == "absent"


def test_others_find_nothing_of_it(client: Client, stranger: User, kept: KeptData) -> None:
    client.force_login(stranger)
    assert kept.name not in client.get("/servers/kept/").content.decode()
    assert client.get(f"/servers/kept/{kept.pk}/remove/").status_code == 404
    assert client.post(f"/servers/{kept.pk}/restore/").status_code == 404
