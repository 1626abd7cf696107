"""The page of a server's settings: shown, previewed, applied; and the pages of its generations and clones."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from dtma_wire import Progress, Step, StepState
from mcp_registry.configuring.changes import Change
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.configuration import configure_server
from mcp_registry.services.deployments import finish_deployment, record_progress
from mcp_registry.services.servers import deploy_server, stop_server
from tests.conftest import reporting, server_json
from tests.registry.configuration.canary import CANARY
from toolboxes.models import Toolbox

HTMX = {"HX-Request": "true"}


@pytest.fixture
def server(user: User, toolbox: Toolbox, weather: CatalogEntry) -> McpServer:
    return deploy_server(owner=user, entry=weather, toolbox=toolbox, config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment", "owner").get(pk=server.pk)


def url(server: McpServer) -> str:
    return f"/servers/{server.pk}/settings/"


def filled(**changes: Any) -> dict[str, Any]:
    """What the form sends as it is shown, with changes."""
    return {
        "base": "1", "seen": "1", "setting-CITY": "Oslo", "setting-API_KEY": "", "memory_mb": "512", "cpus": "1.0", "pids": "128",
        "egress": "none", "hosts": "", "restart": "always", **changes,
    }  # fmt: skip


def preview(browser: Client, server: McpServer, **changes: Any) -> str:
    answer = browser.post(url(server), filled(step="preview", **changes), headers=HTMX)
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def digest(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


def apply(browser: Client, server: McpServer, **changes: Any) -> Any:
    shown = digest(preview(browser, server, **{key: value for key, value in changes.items() if key != "confirm"}))
    return browser.post(url(server), filled(step="apply", digest=shown, **changes), headers=HTMX)


def test_it_shows_what_is_set_but_no_secret(browser: Client, server: McpServer) -> None:
    page = browser.get(url(server)).content.decode()
    assert 'value="Oslo"' in page
    assert "Last set" in page
    assert CANARY not in page
    assert 'name="remove-API_KEY"' in page


def test_a_preview_says_what_changes_and_what_that_does_and_changes_nothing(browser: Client, server: McpServer) -> None:
    page = preview(browser, server, **{"setting-CITY": "Bergen", "setting-API_KEY": CANARY + "2"})
    assert "<del>Oslo</del>" in page
    assert "<ins>Bergen</ins>" in page
    assert "Its container is replaced" in page
    assert CANARY not in page
    assert fresh(server).generation == 1


def test_what_was_previewed_is_applied_and_can_be_undone_from_the_toast(browser: Client, server: McpServer) -> None:
    answer = apply(browser, server, **{"setting-CITY": "Bergen"})
    assert answer.headers["HX-Redirect"] == f"/servers/{server.pk}/"
    assert (fresh(server).config, fresh(server).secrets) == ({"CITY": "Bergen"}, {"API_KEY": CANARY})
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "is being changed." in page
    assert f'hx-post="/servers/{server.pk}/history/1/"' in page
    undone = browser.post(f"/servers/{server.pk}/history/1/", headers=HTMX)
    assert undone.headers["HX-Redirect"] == f"/servers/{server.pk}/"
    assert (fresh(server).config, fresh(server).generation) == ({"CITY": "Oslo"}, 3)


def test_secrets_are_replaced_and_removed(browser: Client, server: McpServer) -> None:
    apply(browser, server, **{"setting-API_KEY": "another"})
    assert fresh(server).secrets == {"API_KEY": "another"}
    apply(browser, server, base="2", seen="2", **{"remove-API_KEY": "on"})
    assert fresh(server).secrets == {}


def test_what_is_applied_otherwise_than_it_was_shown_is_shown_again(browser: Client, server: McpServer) -> None:
    shown = digest(preview(browser, server, **{"setting-CITY": "Bergen"}))
    answer = browser.post(url(server), filled(step="apply", digest=shown, **{"setting-CITY": "Rome"}), headers=HTMX)
    assert "differs from what was shown" in answer.content.decode()
    assert fresh(server).generation == 1


def test_nothing_is_changed_by_a_form_that_is_sent_as_it_is(browser: Client, server: McpServer) -> None:
    assert "Nothing is changed by this" in preview(browser, server)


def test_defaults_that_were_not_set_are_not_set_by_saving(browser: Client, user: User, toolbox: Toolbox) -> None:
    variables = [
        {"name": "LANG", "default": "en"}, {"name": "DEPTH", "format": "number", "default": "3"}, {"name": "LOUD", "format": "boolean"},
    ]  # fmt: skip
    package = {**server_json()["packages"][0], "environmentVariables": variables}
    entry = add_entry(owner=user, document=server_json(packages=[package]))
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox)
    given = {"setting-LANG": "en", "setting-DEPTH": "3", "setting-LOUD": ""}
    assert "Nothing is changed by this" in preview(browser, server, **given)
    apply(browser, server, **{**given, "setting-DEPTH": "4", "setting-LOUD": "true"})
    assert fresh(server).config == {"DEPTH": "4", "LOUD": "true"}


def test_wrong_values_are_told_at_once_and_typed_ones_are_not_sent_back(browser: Client, server: McpServer) -> None:
    wrong = {"setting-CITY": "", "memory_mb": "1", "setting-API_KEY": CANARY}
    answer = browser.post(url(server), filled(step="preview", **wrong), headers=HTMX)
    assert answer.status_code == 422
    assert 'href="#id_setting-CITY"' in answer.content.decode()
    answer = browser.post(url(server), filled(step="preview", memory_mb="1"), headers=HTMX)
    assert answer.status_code == 422
    assert 'href="#id_memory_mb"' in answer.content.decode()
    answer = browser.post(url(server), filled(step="preview", **wrong))
    assert answer.status_code == 422
    assert CANARY not in answer.content.decode()


def test_the_network_is_widened_only_with_a_tick(browser: Client, server: McpServer) -> None:
    wide = {"egress": "allowlist", "hosts": "api.example.org\n*.example.net:8443"}
    page = preview(browser, server, **wide)
    assert "It may reach api.example.org, *.example.net:8443 as well." in page
    assert 'name="confirm" value="egress"' in page
    assert "Tick what has to be confirmed" in apply(browser, server, **wide).content.decode()
    assert fresh(server).generation == 1
    apply(browser, server, confirm="egress", **wide)
    assert fresh(server).overrides == {"egress": "allowlist", "hosts": ["api.example.org", "*.example.net:8443"]}
    page = browser.get(f"/servers/{server.pk}/settings/").content.decode()
    assert "api.example.org\n*.example.net:8443" in page


def test_a_restart_policy_takes_effect_without_a_restart(browser: Client, server: McpServer) -> None:
    page = preview(browser, server, restart="never")
    assert "takes effect without a restart" in page
    assert "until somebody starts it" in page


def test_memory_without_room_can_be_insisted_on(browser: Client, server: McpServer, toolbox: Toolbox) -> None:
    reporting(toolbox, memory_bytes=2**30)
    page = preview(browser, server, memory_mb="900")
    assert "There is no room for that on “box”" in page
    apply(browser, server, memory_mb="900", confirm="room")
    assert fresh(server).overrides == {"memory_mb": 900}


def test_what_somebody_else_changed_meanwhile_stays_and_is_shown(browser: Client, server: McpServer) -> None:
    shown = digest(preview(browser, server, memory_mb="256"))
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Bergen"}))
    answer = browser.post(url(server), filled(step="apply", digest=shown, memory_mb="256"), headers=HTMX)
    page = answer.content.decode()
    assert "Somebody was faster" in page
    assert "CITY: Oslo → Bergen" in page
    assert "512 MB" in page, "what was entered is still there"
    assert 'name="seen" value="2"' in page
    assert fresh(server).generation == 2
    browser.post(url(server), filled(step="apply", digest=digest(page), memory_mb="256", seen="2"), headers=HTMX)
    assert (fresh(server).config, fresh(server).overrides) == ({"CITY": "Bergen"}, {"memory_mb": 256})


def test_the_history_shows_each_generation_with_what_it_changed(browser: Client, server: McpServer) -> None:
    apply(browser, server, **{"setting-CITY": "Bergen", "setting-API_KEY": CANARY + "2"})
    page = browser.get(f"/servers/{server.pk}/history/").content.decode()
    assert 'id="generation-2"' in page
    assert "CITY: Oslo → Bergen; API_KEY replaced" in page
    assert "ada@example.org" in page
    assert f'href="/servers/{server.pk}/history/1/"' in page
    assert CANARY not in page


def test_going_back_is_shown_before_it_is_done(browser: Client, server: McpServer) -> None:
    apply(browser, server, **{"setting-CITY": "Bergen", "setting-API_KEY": CANARY + "2"})
    page = browser.get(f"/servers/{server.pk}/history/1/").content.decode()
    assert "<ins>Oslo</ins>" in page
    assert "Its container is replaced" in page
    assert CANARY not in page
    assert "nothing to go back to" in browser.get(f"/servers/{server.pk}/history/2/").content.decode()
    assert browser.post(f"/servers/{server.pk}/history/1/", {"seen": "2"}).status_code == 302
    assert (fresh(server).config, fresh(server).secrets) == ({"CITY": "Oslo"}, {"API_KEY": CANARY})


def test_going_back_to_wider_permissions_asks_for_a_tick(browser: Client, server: McpServer) -> None:
    for egress in ("open", None):
        configure_server(owner=server.owner, server_id=server.pk, change=Change(overrides={"egress": egress}))
    answer = browser.post(f"/servers/{server.pk}/history/2/", {"seen": "3"})
    assert (answer.status_code, "whole internet" in answer.content.decode()) == (409, True)
    undo = browser.post(f"/servers/{server.pk}/history/2/", headers=HTMX)
    assert undo.headers["HX-Redirect"] == f"/servers/{server.pk}/history/2/"
    assert fresh(server).generation == 3
    browser.post(f"/servers/{server.pk}/history/2/", {"seen": "3", "confirm": "egress"})
    assert fresh(server).overrides == {"egress": "open"}


def test_a_clone_has_all_of_it_but_the_data(browser: Client, server: McpServer) -> None:
    page = browser.get(f"/servers/{server.pk}/clone/").content.decode()
    assert "API_KEY" in page
    assert CANARY not in page
    answer = browser.post(f"/servers/{server.pk}/clone/", {"name": "other", "toolbox": str(server.toolbox_id)})
    made = McpServer.objects.get(name="other")
    assert answer.headers["Location"] == f"/servers/{made.pk}/"
    assert (made.config, made.secrets, made.generation, made.version) == ({"CITY": "Oslo"}, {"API_KEY": CANARY}, 1, "1.2.3")
    assert made.revisions.get().summary == "Cloned from “weather”"


def test_a_clone_needs_a_name_of_its_own(browser: Client, server: McpServer) -> None:
    answer = browser.post(f"/servers/{server.pk}/clone/", {"name": "weather", "toolbox": ""})
    assert (answer.status_code, "Taken." in answer.content.decode()) == (422, True)
    browser.post(f"/servers/{server.pk}/clone/", {"name": "", "toolbox": ""})
    assert McpServer.objects.filter(name="weather-2").exists()


def test_another_user_finds_none_of_these_pages(client: Client, stranger: User, server: McpServer) -> None:
    client.force_login(stranger)
    for path in ("settings/", "history/1/", "clone/"):
        assert client.get(f"/servers/{server.pk}/{path}").status_code == 404
        assert client.post(f"/servers/{server.pk}/{path}", filled()).status_code == 404
    assert fresh(server).generation == 1


def test_a_failed_deployment_says_from_where_it_goes_on(browser: Client, server: McpServer) -> None:
    deployment = fresh(server).deployment
    assert deployment is not None
    for step, state in ((Step.IMAGE, StepState.DONE), (Step.CONTAINER, StepState.FAILED)):
        record_progress(deployment=deployment, progress=Progress(step=step, state=state, at=datetime.now(UTC)))
    finish_deployment(deployment=deployment, problem="It broke.", code="not_ready")
    assert "Try again from: Container" in browser.get(f"/servers/{server.pk}/").content.decode()


def test_a_change_that_failed_offers_the_way_back(browser: Client, server: McpServer) -> None:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Nowhere"}))
    deployment = fresh(server).deployment
    assert deployment is not None
    finish_deployment(deployment=deployment, problem="It broke.", code="not_ready")
    assert f'id="go-back" href="/servers/{server.pk}/history/1/"' in browser.get(f"/servers/{server.pk}/").content.decode()


def test_a_stopped_server_is_changed_without_being_started(browser: Client, server: McpServer) -> None:
    stop_server(owner=server.owner, server_id=server.pk)
    assert "counts from its next start on" in preview(browser, server, **{"setting-CITY": "Bergen"})
