"""Where servers go: the toolbox that has the most memory left, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from agentopia.lib.errors import Conflict
from dtma_wire import WIRE_VERSION
from mcp_registry.manifest import Manifest
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from mcp_registry.placement import GB, MB, Need, choose, need_of, rooms
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.servers import delete_server, stop_server
from tests.conftest import reporting, with_profile
from tests.intake import enrolled
from toolboxes.models import Job, Toolbox, silence_after

SERVERS = "/api/v1/servers/"
SMALL = Need(memory=512 * MB, disk=600 * MB, cpus=1)


@pytest.fixture
def box(user: User) -> Callable[..., Toolbox]:
    """Adds toolboxes that report, with the facts of their hosts as given."""

    def add(name: str, **info: Any) -> Toolbox:
        return reporting(enrolled(Toolbox.objects.create(owner=user, name=name, provider="own_server")), **info)

    return add


@pytest.fixture
def big(user: User) -> CatalogEntry:
    """An entry that needs 2 GB, without settings."""
    document = with_profile(memory_mb=2048)
    document["packages"][0]["environmentVariables"] = []
    return add_entry(owner=user, document=document)


def left(user: User) -> dict[str, int]:
    return {room.toolbox.name: room.memory_left for room in rooms(user)}


def test_the_most_memory_left_wins(user: User, box: Callable[..., Toolbox]) -> None:
    box("small", memory_bytes=4 * GB)
    box("large", memory_bytes=16 * GB)
    place = choose(user, SMALL)
    assert place.toolbox.name == "large"
    assert place.why == "On “large”: with 14.0 GB it has the most memory left of the 2 that it fits on."


def test_among_equals_the_first_by_name_wins(user: User, box: Callable[..., Toolbox]) -> None:
    for name in ("c", "a", "b"):
        box(name)
    assert choose(user, SMALL).toolbox.name == "a"


def test_memory_is_promised_to_servers_that_are_to_run(user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]) -> None:
    assert left(user) == {"box": 7 * GB}
    servers = [make_server() for _ in range(3)]
    assert left(user) == {"box": 7 * GB - 3 * 512 * MB}
    stop_server(owner=user, server_id=servers[0].pk)
    delete_server(owner=user, server_id=servers[1].pk)
    assert left(user) == {"box": 7 * GB - 512 * MB}


def test_sessions_of_their_own_need_as_much_each() -> None:
    manifest = Manifest.model_validate(with_profile(memory_mb=100, sessions={"mode": "own", "most": 5}))
    assert need_of(manifest.packages[0], manifest.profile).memory == 500 * MB


def test_a_promise_with_sessions_counts_them(api: APIClient, user: User, toolbox: Toolbox) -> None:
    document = with_profile(memory_mb=256, sessions={"mode": "own", "most": 4})
    document["packages"][0]["environmentVariables"] = []
    add_entry(owner=user, document=document)
    assert api.post(SERVERS, {"entry": "weather"}, format="json").status_code == 201
    assert left(user) == {"box": 6 * GB}


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"memory_bytes": GB // 2}, "256 MB of its 512 MB of memory are left, and 512 MB are needed."),
        ({"disk_free_bytes": GB + 100 * MB}, "100 MB of its disk are left, and about 600 MB are needed."),
        ({"cpus": 0}, "it has 0 processors, and 1 are asked for."),
        ({"engine_problem": "It is down."}, "its container engine does not answer."),
        ({"wire_version": WIRE_VERSION - 2, "dtma_version": "0.0.1"}, "it runs DTMA 0.0.1, which is too old for this control plane."),
        ({"wire_version": WIRE_VERSION + 2, "dtma_version": "9.0"}, "it runs DTMA 9.0, which is too new for this control plane."),
    ],
)
def test_why_it_does_not_fit(user: User, box: Callable[..., Toolbox], info: dict[str, Any], reason: str) -> None:
    box("one", **info)
    with pytest.raises(Conflict) as caught:
        choose(user, SMALL)
    assert f"“one”: {reason}" in caught.value.message
    assert caught.value.code == "no_toolbox_fits"


def test_an_old_toolbox_comes_with_the_command_that_upgrades_it(user: User, box: Callable[..., Toolbox]) -> None:
    box("one", wire_version=WIRE_VERSION - 2)
    with pytest.raises(Conflict, match="sudo agentopia-dtma upgrade"):
        choose(user, SMALL)


def test_a_neighbouring_version_will_do(user: User, box: Callable[..., Toolbox]) -> None:
    box("older", wire_version=WIRE_VERSION - 1)
    box("newer", wire_version=WIRE_VERSION + 1, memory_bytes=16 * GB)
    assert choose(user, SMALL).toolbox.name == "newer"


def test_every_toolbox_says_why(user: User, box: Callable[..., Toolbox], api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    box("full", memory_bytes=GB // 2)
    silent = box("silent")
    long_ago = timezone.now() - 2 * silence_after()
    Toolbox.objects.filter(pk=silent.pk).update(last_seen_at=long_ago, enrolled_at=long_ago)
    leaving = box("leaving")
    Job.objects.create(toolbox=leaving, kind=Job.Kind.REMOVE)
    Toolbox.objects.create(owner=user, name="new", provider="own_server")
    answer = api.post(SERVERS, {"entry": "time"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (409, "no_toolbox_fits")
    told = answer.data["detail"]
    assert told.startswith("It fits on none of your toolboxes. “full”: 256 MB of its 512 MB")
    assert told.endswith("“leaving”: it is being removed. “new”: it has not reported yet. “silent”: it does not report.")
    assert not McpServer.objects.exists()


def test_another_users_toolbox_is_no_place(user: User, stranger: User, box: Callable[..., Toolbox]) -> None:
    mine, theirs = box("mine", memory_bytes=4 * GB), box("theirs", memory_bytes=64 * GB)
    Toolbox.objects.filter(pk=theirs.pk).update(owner=stranger)
    assert choose(user, SMALL).toolbox == mine


def test_without_a_name_it_goes_where_it_fits_best_and_says_why(
    api: APIClient, box: Callable[..., Toolbox], catalog: dict[str, CatalogEntry]
) -> None:
    box("small", memory_bytes=4 * GB)
    large = box("large", memory_bytes=16 * GB)
    server = api.post(SERVERS, {"entry": "time"}, format="json").data
    assert server["toolbox"] == str(large.pk)
    (deployment,) = api.get(f"{SERVERS}{server['id']}/deployments/").data["results"]
    assert deployment["steps"][0]["detail"].startswith("On “large”: with 14.0 GB it has the most memory left")


def test_servers_spread_over_equal_toolboxes(api: APIClient, box: Callable[..., Toolbox], catalog: dict[str, CatalogEntry]) -> None:
    names = {str(box(name).pk): name for name in ("a", "b")}
    chosen = [api.post(SERVERS, {"entry": "time"}, format="json").data["toolbox"] for _ in range(4)]
    assert [names[pk] for pk in chosen] == ["a", "b", "a", "b"]


def test_a_named_toolbox_that_is_full_refuses_unless_it_is_forced(api: APIClient, box: Callable[..., Toolbox], big: CatalogEntry) -> None:
    box("full", memory_bytes=2 * GB)
    body = {"entry": str(big.pk), "toolbox": "full"}
    answer = api.post(SERVERS, body, format="json")
    assert (answer.status_code, answer.data["code"]) == (409, "toolbox_does_not_fit")
    assert "1.8 GB of its 2.0 GB of memory are left, and 2.0 GB are needed" in answer.data["fields"]["toolbox"]
    assert not McpServer.objects.exists()
    assert api.post(SERVERS, {**body, "force": True}, format="json").status_code == 201
    step = Deployment.objects.get().steps.get()
    assert step.detail.startswith("On “full”, as you chose, though it does not fit: 1.8 GB")


def test_a_toolbox_that_is_being_removed_takes_nothing_whatever_is_said(
    api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry]
) -> None:
    Job.objects.create(toolbox=toolbox, kind=Job.Kind.REMOVE)
    answer = api.post(SERVERS, {"entry": "time", "toolbox": toolbox.name, "force": True}, format="json")
    assert (answer.status_code, answer.data["code"]) == (409, "toolbox_does_not_fit")
    assert "it is being removed" in answer.data["detail"]


def test_as_many_queries_for_many_toolboxes(user: User, make_server: Callable[..., McpServer], box: Callable[..., Toolbox]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            choose(user, SMALL)
        return len(captured)

    make_server()
    before = queries()
    for number in range(5):
        box(f"more-{number}")
        make_server()
    assert queries() == before == 2


def test_the_form_offers_what_fits_and_says_of_others_why_not(browser: Client, box: Callable[..., Toolbox], big: CatalogEntry) -> None:
    fits, full = box("fits"), box("full", memory_bytes=2 * GB)
    page = browser.get(f"/catalog/{big.pk}/").content.decode()
    assert '<option value="" selected>Best fit: fits</option>' in page
    assert f'<option value="{fits.pk}">fits: 7.0 GB of memory and 31.0 GB of disk left</option>' in page
    assert f'<option value="{full.pk}" disabled>full: 1.8 GB of its 2.0 GB of memory are left, and 2.0 GB are needed</option>' in page
    assert browser.post(f"/catalog/{big.pk}/", {"toolbox": ""}).status_code == 302
    assert McpServer.objects.get().toolbox == fits


def test_the_form_deploys_anyway_when_told_so(browser: Client, box: Callable[..., Toolbox], big: CatalogEntry) -> None:
    full = box("full", memory_bytes=2 * GB)
    path = f"/catalog/{big.pk}/"
    refused = browser.post(path, {"toolbox": str(full.pk)})
    assert refused.status_code == 422
    assert "It can be deployed there anyway." in refused.content.decode()
    assert 'href="?anyway=1"' in refused.content.decode()
    page = browser.get(f"{path}?anyway=1").content.decode()
    assert "disabled>full" not in page
    assert '<input type="hidden" name="force" value="on"' in page
    assert browser.post(path, {"toolbox": str(full.pk), "force": "on"}).status_code == 302
    assert McpServer.objects.get().toolbox == full


def test_a_form_for_which_there_is_no_room_says_so(browser: Client, box: Callable[..., Toolbox], big: CatalogEntry) -> None:
    box("full", memory_bytes=2 * GB)
    answer = browser.post(f"/catalog/{big.pk}/", {"toolbox": ""})
    assert answer.status_code == 422
    assert "It does not fit. “full”: 1.8 GB of its 2.0 GB of memory are left" in answer.content.decode()
