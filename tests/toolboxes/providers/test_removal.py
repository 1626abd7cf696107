"""A toolbox is removed: what was made for it goes, its history stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.servers import deploy_server
from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble
from tests.toolboxes.providers.conftest import age, at, detail, enrol_and_report, finished, steps, work, work_until
from toolboxes.models import CloudAccount, Job, Machine, Toolbox
from toolboxes.services.accounts import remove_account, replace_token
from toolboxes.services.enrolment import create_toolbox
from toolboxes.services.jobs import before_removal, remove_toolbox, retry_job

pytestmark = pytest.mark.django_db
Order = Callable[..., Toolbox]


@pytest.fixture
def ready(order: Order, double: DigitalOceanDouble) -> Toolbox:
    """A droplet that is a toolbox."""
    toolbox = order()
    work_until(toolbox, at("enrolled"))
    enrol_and_report(toolbox)
    assert work_until(toolbox, finished).status == "succeeded"
    toolbox.refresh_from_db()
    return toolbox


def remove(toolbox: Toolbox) -> Job:
    remove_toolbox(owner=toolbox.owner, toolbox_id=toolbox.pk)
    return work_until(toolbox, finished)


def test_all_that_was_made_is_gone_and_the_history_stays(ready: Toolbox, double: DigitalOceanDouble) -> None:
    double.cloud.destroy_seconds = 0.2
    job = remove(ready)
    assert (job.status, set(steps(job).values())) == ("succeeded", {"done"})
    assert (double.cloud.droplets, double.cloud.firewalls, double.cloud.tags) == ({}, {}, {"agentopia"})
    ready.refresh_from_db()
    assert ready.deleted_at is not None
    assert [job.kind for job in ready.jobs.all()] == ["remove", "create"]
    kinds = set(ready.events.values_list("kind", flat=True))
    assert {"created", "droplet_made", "removal", "removed"} <= kinds
    create_toolbox(owner=ready.owner, name=ready.name, provider=Toolbox.Provider.OWN_SERVER)  # its name is free again


def test_a_droplet_that_is_still_booting_is_destroyed_when_it_can_be(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.boot_seconds = 60
    toolbox = order()
    work_until(toolbox, at("booted"))
    remove_toolbox(owner=toolbox.owner, toolbox_id=toolbox.pk)
    job = work(toolbox)
    assert job.detail == "The droplet is busy with something else at DigitalOcean. Trying again."
    double.cloud.boot(int(Machine.objects.get().reference))
    assert work_until(toolbox, finished).status == "succeeded"
    assert double.cloud.droplets == {}
    assert toolbox.jobs.get(kind="create").status == "superseded"


def test_a_droplet_that_was_destroyed_already(ready: Toolbox, double: DigitalOceanDouble) -> None:
    double.cloud.destroy_behind_our_back()
    assert remove(ready).status == "succeeded"
    assert double.cloud.firewalls == {}


def test_nothing_is_ordered_after_the_wish_to_remove(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    assert remove(toolbox).status == "succeeded"
    assert double.cloud.ever_created == 0


def test_asked_twice_it_is_one_job(ready: Toolbox) -> None:
    first = remove_toolbox(owner=ready.owner, toolbox_id=ready.pk)
    assert remove_toolbox(owner=ready.owner, toolbox_id=ready.pk).pk == first.pk
    work_until(ready, finished)
    with pytest.raises(NotFound):
        remove_toolbox(owner=ready.owner, toolbox_id=ready.pk)


def test_a_strangers_toolbox_is_not_found(ready: Toolbox, stranger: User) -> None:
    with pytest.raises(NotFound):
        remove_toolbox(owner=stranger, toolbox_id=ready.pk)
    with pytest.raises(NotFound):
        retry_job(owner=stranger, toolbox_id=ready.pk)


def test_a_dead_token_stops_it_and_a_new_one_goes_on(ready: Toolbox, double: DigitalOceanDouble, account: CloudAccount) -> None:
    scopes = double.tokens.pop(TOKEN)
    job = remove(ready)
    assert (job.status, job.code) == ("failed", "token_refused")
    double.tokens["dop_v1_new"] = scopes
    replace_token(owner=ready.owner, account_id=account.pk, token="dop_v1_new")
    retry_job(owner=ready.owner, toolbox_id=ready.pk)
    assert work_until(ready, finished).status == "succeeded"
    assert double.cloud.droplets == {}


def test_without_its_account_nothing_of_the_clouds_is_touched(ready: Toolbox, double: DigitalOceanDouble, account: CloudAccount) -> None:
    remove_account(owner=ready.owner, account_id=account.pk)
    assert remove(ready).status == "succeeded"
    assert len(double.cloud.droplets) == 1


@pytest.fixture
def server(ready: Toolbox, catalog: dict[str, CatalogEntry]) -> McpServer:
    return deploy_server(owner=ready.owner, entry=catalog["everything"], toolbox=ready)


def test_apps_that_keep_things_on_it_are_told_and_waited_for(ready: Toolbox, server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Toolbox] = []
    monkeypatch.setattr("toolboxes.services.jobs.before_removal", [told.append])
    assert before_removal is not None
    remove_toolbox(owner=ready.owner, toolbox_id=ready.pk)
    assert told == [ready]
    job = work(ready)
    assert (steps(job)["servers"], detail(job, "servers")) == ("running", "1 still to be removed")
    server.delete()
    assert work_until(ready, finished).status == "succeeded"


def test_servers_of_a_silent_toolbox_are_forgotten_at_once(ready: Toolbox, server: McpServer) -> None:
    Toolbox.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    job = remove(ready)
    assert "does not report: 1 of its servers were forgotten" in detail(job, "servers")
    assert ready.events.filter(kind="servers_forgotten", severity="warning").exists()


def test_servers_that_are_not_removed_in_time_are_forgotten(ready: Toolbox, server: McpServer) -> None:
    remove_toolbox(owner=ready.owner, toolbox_id=ready.pk)
    Toolbox.objects.update(last_seen_at=timezone.now())
    age(work(ready), "servers", timedelta(minutes=3))
    job = work_until(ready, finished)
    assert job.status == "succeeded"
    assert "in time" in detail(job, "servers")
