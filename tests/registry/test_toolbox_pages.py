"""The pages of a toolbox that show its servers, and what removes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import McpServer, Stray
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.servers import deploy_server
from tests.conftest import with_profile
from toolboxes.models import Job, Toolbox
from toolboxes.services.enrolment import create_toolbox

CONTAINER = "c" * 64
GB = 2**30


@pytest.fixture
def roomy(toolbox: Toolbox) -> Toolbox:
    """The toolbox, with an orphan."""
    orphan = {"container": CONTAINER, "name": "agentopia-x", "server": str(uuid4()), "server_name": "lost <one>", "image": "sha256:1"}
    orphan |= {"created_at": "2026-01-01T10:00:00Z", "running": True, "adoptable": True}
    info = {**toolbox.info, "cpus": 4, "memory_bytes": 8 * GB, "disk_free_bytes": 20 * GB}
    Toolbox.objects.filter(pk=toolbox.pk).update(orphans=[orphan], info=info)
    toolbox.refresh_from_db()
    return toolbox


def get(browser: Client, toolbox: Toolbox, view: str) -> str:
    answer = browser.get(f"/toolboxes/{toolbox.pk}/{view}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_servers_are_shown_as_on_their_own_list(
    browser: Client, user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]
) -> None:
    make_server(name="well")
    make_server(name="ill", phase=Phase.CRASHED, reason="It ran out of memory.")
    page = get(browser, toolbox, "servers/")
    assert ("well" in page, "It ran out of memory." in page) == (True, True)
    other = create_toolbox(owner=user, name="other", provider=Toolbox.Provider.OWN_SERVER)
    assert "No servers here yet" in get(browser, other, "servers/")
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=None)
    assert get(browser, toolbox, "servers/").count('class="status" data-state="unknown"') == 2


def test_as_many_queries_for_many_servers_as_for_one(browser: Client, toolbox: Toolbox, make_server: Callable[..., McpServer]) -> None:
    def queries(view: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            get(browser, toolbox, view)
        return len(captured)

    views = ("servers/", "servers/capacity/", "removal/", "")
    make_server()
    for view in views:
        queries(view)
    before = [queries(view) for view in views]
    for _ in range(4):
        make_server()
    assert [queries(view) for view in views] == before


def test_capacity_is_what_was_promised(browser: Client, user: User, roomy: Toolbox) -> None:
    entry = add_entry(owner=user, document=with_profile(memory_mb=2048))
    for _ in range(2):
        deploy_server(owner=user, entry=entry, toolbox=roomy, config={"CITY": "Kyiv"})
    page = get(browser, roomy, "servers/capacity/")
    assert "4.0\xa0GB of 8.0\xa0GB" in page
    assert "<dt>To promise</dt><dd>3.0\xa0GB" in page
    Toolbox.objects.filter(pk=roomy.pk).update(last_seen_at=None, enrolled_at=roomy.created_at - timedelta(hours=1))
    assert "It takes no servers now: it does not report." in get(browser, roomy, "servers/capacity/")


def test_what_nobody_owns_is_listed_with_what_can_be_done(browser: Client, roomy: Toolbox) -> None:
    Stray.objects.create(toolbox=roomy, server="not-ours", name="alien", confirmed=True)
    page = get(browser, roomy, "servers/")
    assert page.count('aria-label="Adopt ') == 1
    assert page.count('aria-label="Remove ') == 2
    assert "lost &lt;one&gt;" in page
    assert "It cannot be adopted. It was not made by a control plane of Agentopia" in page


def test_one_is_removed_only_after_it_was_said_what_that_destroys(browser: Client, roomy: Toolbox) -> None:
    page = get(browser, roomy, f"servers/remove/?key={CONTAINER}")
    assert "stops and deletes the container" in page
    assert "all data that it has stored" in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("view", "form"), [("adopt", {}), ("remove", {}), ("remove", {"volumes": "remove"})])
def test_a_toolbox_that_does_not_answer(browser: Client, roomy: Toolbox, view: str, form: dict[str, Any]) -> None:
    answer = browser.post(f"/toolboxes/{roomy.pk}/servers/{view}/", {"key": CONTAINER, **form})
    assert answer.status_code == 503
    assert "does not answer" in answer.content.decode()
    assert not McpServer.objects.exists()


@pytest.mark.parametrize("key", ["", "x", "../" * 20, "\x00"])
@pytest.mark.parametrize("view", ["adopt", "remove"])
def test_what_is_not_there_is_not_found(browser: Client, roomy: Toolbox, view: str, key: str) -> None:
    assert browser.post(f"/toolboxes/{roomy.pk}/servers/{view}/", {"key": key}).status_code == 404


@pytest.mark.parametrize("view", ["servers/adopt/", "servers/remove/", "removal/"])
def test_a_stranger_does_nothing(stranger: User, roomy: Toolbox, view: str) -> None:
    client = Client()
    client.force_login(stranger)
    assert client.post(f"/toolboxes/{roomy.pk}/{view}", {"key": CONTAINER, "confirmation": roomy.name}).status_code == 404
    assert client.get(f"/toolboxes/{roomy.pk}/servers/remove/?key={CONTAINER}").status_code == 404
    assert not Job.objects.exists()


def test_removal_says_what_it_destroys(browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, Any]) -> None:
    deploy_server(owner=user, entry=catalog["memory"], toolbox=toolbox, name="my-memory")
    page = get(browser, toolbox, "removal/")
    assert "my-memory" in page
    assert "all data that it has stored" in page
    assert "the next make run adds it again" in page


@pytest.mark.parametrize("typed", ["", "bo", "BOX"])
def test_without_its_name_it_is_not_removed(browser: Client, toolbox: Toolbox, typed: str) -> None:
    answer = browser.post(f"/toolboxes/{toolbox.pk}/removal/", {"confirmation": typed})
    assert answer.status_code == 422
    assert not Job.objects.exists()


def test_with_its_name_it_is_removed(browser: Client, toolbox: Toolbox, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    answer = browser.post(f"/toolboxes/{toolbox.pk}/removal/", {"confirmation": toolbox.name})
    assert answer.headers["Location"] == f"/toolboxes/{toolbox.pk}/setup/"
    assert Job.objects.get(toolbox=toolbox, kind=Job.Kind.REMOVE).is_active
    server.refresh_from_db()
    assert server.desired == McpServer.Desired.ABSENT
