"""The pages and the REST routes of upgrades: what is offered, what it would mean, what can be decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import CatalogEntry, Deployment, McpServer, Upgrade
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.deployments import finish_deployment
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import deploy_server
from mcp_registry.services.trials import settle_trial
from mcp_registry.services.upgrade_course import advance_upgrade
from tests.conftest import ECHO_TOOL, reporting, state_of
from tests.registry.test_upgrades import NEW, OLD, document
from toolboxes.models import Toolbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(user: User, toolbox: Toolbox) -> McpServer:
    """One that runs at the old version; of its entry there is a newer one, which wants more."""
    entry = add_entry(owner=user, document=document(OLD))
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox, config={"CITY": "Rome"}, secrets={"API_KEY": "canary-4711"})
    observe(server_id=server.pk, state=state_of(server))
    add_entry(owner=user, document=document(NEW, egress="open", memory_mb=600))
    return now(server)


def now(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment", "entry", "owner").get(pk=server.pk)


def tried(server: McpServer, *tools: dict[str, Any]) -> Upgrade:
    """The newest upgrade, after its trial became ready with these tools."""
    upgrade = server.upgrades.get()
    trial = Deployment.objects.select_related("server__toolbox").get(pk=upgrade.trial_id)
    settle_trial(deployment=trial, state=state_of(server, tools=tools))
    advance_upgrade(server_id=server.pk)
    return server.upgrades.get()


@pytest.mark.parametrize("page", ["/", "/servers/", "/servers/{}/", "/toolboxes/{}/servers/"])
def test_an_update_is_offered(browser: Client, server: McpServer, page: str) -> None:
    key = server.toolbox_id if "toolboxes" in page else server.pk
    assert NEW in browser.get(page.format(key)).content.decode()
    CatalogEntry.objects.update(withdrawn=True)
    assert NEW not in browser.get(page.format(key)).content.decode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"withdrawn": True}, "was withdrawn"),
        ({"hidden": True}, "does not offer its entry any more"),
        ({"deprecated": True, "deprecation": "Use another."}, "is deprecated. Use another."),
    ],
)
def test_what_became_of_the_entry_is_said(browser: Client, server: McpServer, change: dict[str, Any], told: str) -> None:
    CatalogEntry.objects.update(**change)
    assert told in browser.get(f"/servers/{server.pk}/").content.decode()
    assert told in browser.get(f"/servers/{server.pk}/versions/").content.decode()


def test_the_plan_says_what_it_may_do_more(browser: Client, server: McpServer) -> None:
    shown = browser.get(f"/servers/{server.pk}/versions/").content.decode()
    assert "Upgrade from 1.2.3 to 2.0.0" in shown
    assert '<li data-tone="warning">' in shown
    assert "It may reach the whole internet, and not no network as now." in shown
    assert "Up to 600 MB of memory instead of 512 MB." in shown


def test_an_older_version_can_be_chosen(browser: Client, server: McpServer) -> None:
    shown = browser.get(f"/servers/{server.pk}/versions/?version={OLD}").content.decode()
    assert "It has this version." in shown
    McpServer.objects.update(version=NEW, manifest=document(NEW))
    shown = browser.get(f"/servers/{server.pk}/versions/?version={OLD}").content.decode()
    assert "Change from 2.0.0 to 1.2.3" in shown
    assert browser.get(f"/servers/{server.pk}/versions/?version=9").status_code == 404


def test_the_form_asks_for_what_is_missing(browser: Client, server: McpServer, user: User) -> None:
    new = {"name": "TOKEN", "isRequired": True, "isSecret": True}
    add_entry(owner=user, document=document("3.0.0", new))
    path = f"/servers/{server.pk}/versions/"
    shown = browser.get(path).content.decode()
    assert 'name="setting-TOKEN"' in shown
    assert 'type="password"' in shown
    assert "setting-CITY" not in shown, "it is set already"
    assert browser.post(path, {"trial": "on", "ask": "on"}).status_code == 422
    assert not Upgrade.objects.exists()
    assert browser.post(path, {"trial": "on", "ask": "on", "setting-TOKEN": "canary-1"}).status_code == 302
    upgrade = server.upgrades.get()
    assert (upgrade.status, upgrade.to_version, upgrade.secrets) == ("trying", "3.0.0", {"API_KEY": "canary-4711", "TOKEN": "canary-1"})
    shown = browser.get(f"/servers/{server.pk}/").content.decode() + browser.get(f"/servers/{server.pk}/history/").content.decode()
    assert "Trying 3.0.0 beside it" in shown
    assert "canary" not in shown


def test_without_room_the_trial_must_be_left_out_in_so_many_words(browser: Client, server: McpServer) -> None:
    reporting(server.toolbox, memory_bytes=900 * 2**20)
    path = f"/servers/{server.pk}/versions/"
    shown = browser.get(path).content.decode()
    assert "There is no room on “box” to try 2.0.0 beside it" in shown
    assert 'name="trial" id="id_trial" checked' not in shown
    refused = browser.post(path, {"trial": "on", "ask": "on"})
    assert refused.status_code == 422
    assert "Upgrade without a trial" in refused.content.decode()
    assert browser.post(path, {"ask": "on"}).status_code == 302
    assert (server.upgrades.get().status, now(server).version) == ("switching", NEW)


def test_the_difference_is_shown_and_decided_on(browser: Client, server: McpServer) -> None:
    browser.post(f"/servers/{server.pk}/versions/", {"trial": "on", "ask": "on"})
    upgrade = tried(server, ECHO_TOOL | {"description": "Says it <b>twice</b>.\u202e"}, {"name": "more"})
    assert upgrade.status == "asking"
    shown = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "2.0.0 is ready. Switch to it?" in shown
    assert '<li data-sign="+">+Says it &lt;b&gt;twice&lt;/b&gt;.⟨U+202E⟩</li>' in shown
    assert browser.get(f"/servers/{server.pk}/upgrade/approve/").status_code == 405
    assert browser.post(f"/servers/{server.pk}/upgrade/approve/").status_code == 302
    assert now(server).version == NEW


def test_the_old_one_is_kept(browser: Client, server: McpServer) -> None:
    browser.post(f"/servers/{server.pk}/versions/", {"trial": "on", "ask": "on"})
    tried(server)
    assert browser.post(f"/servers/{server.pk}/upgrade/cancel/", headers={"HX-Request": "true"}).status_code == 204
    assert (server.upgrades.get().status, now(server).version) == ("cancelled", OLD)
    assert "You kept 1.2.3." in browser.get(f"/servers/{server.pk}/history/").content.decode()


def test_a_trial_that_failed_says_why(browser: Client, server: McpServer) -> None:
    browser.post(f"/servers/{server.pk}/versions/", {"trial": "on", "ask": "on"})
    trial = Deployment.objects.select_related("server__toolbox").get(kind="trial")
    line = {"ts": "2026-01-01T00:00:00Z", "stream": "stderr", "text": "no such file"}
    settle_trial(deployment=trial, state=state_of(server, Phase.CRASHED, tools=None, reason="It ended with exit code 1.", last_log=(line,)))
    advance_upgrade(server_id=server.pk)
    shown = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "2.0.0 did not become ready: it was left at 1.2.3" in shown
    assert "It ended with exit code 1." in shown
    assert "no such file" in shown
    assert "It was tried" in shown


def test_a_roll_back_says_why(browser: Client, server: McpServer) -> None:
    browser.post(f"/servers/{server.pk}/versions/", {})
    finish_deployment(deployment=Deployment.objects.select_related("server").get(kind="upgrade"), problem="It ended.", code="not_ready")
    advance_upgrade(server_id=server.pk)
    shown = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "Going back to 1.2.3" in shown
    assert "It ended." in shown
    finish_deployment(deployment=Deployment.objects.select_related("server").get(kind="rollback"))
    advance_upgrade(server_id=server.pk)
    shown = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "2.0.0 did not become ready: it went back to 1.2.3" in shown
    assert "Rolled back" in shown


def test_a_server_without_an_entry_has_no_versions(browser: Client, server: McpServer) -> None:
    McpServer.objects.update(entry=None)
    assert "It is in no catalogue" in browser.get(f"/servers/{server.pk}/versions/").content.decode()
    assert browser.post(f"/servers/{server.pk}/versions/", {}).status_code == 409


@pytest.mark.parametrize("path", ["versions/", "upgrade/approve/", "upgrade/cancel/"])
def test_another_users_server(server: McpServer, stranger: User, path: str) -> None:
    client = Client()
    client.force_login(stranger)
    assert client.post(f"/servers/{server.pk}/{path}").status_code == 404
    assert client.get(f"/servers/{server.pk}/versions/").status_code == 404


def test_as_many_queries_for_many_versions(
    browser: Client, server: McpServer, user: User, django_assert_num_queries: Any, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    path = f"/servers/{server.pk}/versions/"
    browser.get(path)
    with django_assert_max_num_queries(30) as few:
        browser.get(path)
    for number in range(3, 9):
        add_entry(owner=user, document=document(f"{number}.0.0"))
    with django_assert_num_queries(len(few)):
        browser.get(path)


def test_rest(api: APIClient, server: McpServer) -> None:
    path = f"/api/v1/servers/{server.pk}/"
    assert api.get(path).data["available_version"] == NEW
    answer = api.post(f"{path}upgrade/", {}, format="json")
    assert (answer.status_code, answer.data["status"], answer.data["to_version"]) == (202, "trying", NEW)
    assert answer.data["trial"]["kind"] == "trial"
    again = api.post(f"{path}upgrade/", {}, format="json")
    assert (again.status_code, again.data["code"]) == (409, "upgrade_under_way")
    assert api.post(f"{path}upgrade/approve/").data["code"] == "nothing_to_approve"
    tried(server, {"name": "echo"})
    (listed,) = api.get(f"{path}upgrades/").data["results"]
    assert listed["status"] == "asking"
    assert [part["name"] for part in listed["difference"]["changed"][0]["parts"]] == ["description", "inputSchema"]
    assert api.post(f"{path}upgrade/approve/").data["status"] == "switching"
    assert api.post(f"{path}upgrade/cancel/").data["code"] == "upgrade_switching"
    assert "canary" not in api.get(f"{path}upgrades/").content.decode()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"version": "9"}, 404, "version_not_found"),
        ({"version": OLD}, 409, "same_version"),
        ({"config": {"NOTHING": "x"}}, 400, "invalid_settings"),
        ({"config": {"API_KEY": "x"}}, 400, "invalid_settings"),
        ({"config": {"CITY": ""}}, 400, "invalid_settings"),
        ({"config": "x"}, 400, "invalid"),
        ({"trial": "perhaps"}, 400, "invalid"),
    ],
)
def test_bad_requests_change_nothing(api: APIClient, server: McpServer, body: dict[str, Any], status: int, code: str) -> None:
    answer = api.post(f"/api/v1/servers/{server.pk}/upgrade/", body, format="json")
    assert (answer.status_code, answer.data["code"]) == (status, code)
    assert not Upgrade.objects.exists()


def test_rest_of_another_user(api: APIClient, server: McpServer, stranger: User) -> None:
    McpServer.objects.filter(pk=server.pk).update(owner=stranger)
    path = f"/api/v1/servers/{server.pk}/"
    for answer in (
        api.post(f"{path}upgrade/"),
        api.post(f"{path}upgrade/approve/"),
        api.post(f"{path}upgrade/cancel/"),
        api.get(f"{path}upgrades/"),
    ):
        assert answer.status_code == 404
