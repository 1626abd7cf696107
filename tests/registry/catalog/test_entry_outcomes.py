"""How deployments of an entry end, counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.browsing.entry import figures_of
from mcp_registry.models import CatalogEntry, Deployment, EntryOutcome, McpServer
from mcp_registry.services.deployments import finish_deployment, request_deployment
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import delete_server, deploy_server, restart_server, start_server, stop_server
from tests.conftest import state_of
from toolboxes.models import Toolbox


@pytest.fixture
def entry(catalog: dict[str, CatalogEntry]) -> CatalogEntry:
    return catalog["time"]


@pytest.fixture
def server(user: User, toolbox: Toolbox, entry: CatalogEntry) -> McpServer:
    return deploy_server(owner=user, entry=entry, toolbox=toolbox)


def end(server: McpServer, problem: str = "", code: str = "not_ready", seconds: float = 3) -> None:
    """The newest deployment ends, after it has taken so long."""
    deployment = Deployment.objects.select_related("server").filter(server=server).latest("created_at")
    deployment.created_at = timezone.now() - timedelta(seconds=seconds)
    deployment.save(update_fields=("created_at",))
    finish_deployment(deployment=deployment, problem=problem, code=code if problem else "")


def counted(entry: CatalogEntry) -> tuple[int, int]:
    entry.refresh_from_db()
    return entry.deployed_count, entry.succeeded_count


def test_before_there_is_a_figure_none_is_shown(browser: Client, toolbox: Toolbox, entry: CatalogEntry) -> None:
    page = browser.get(f"/catalog/{entry.pk}/").content.decode()
    assert "Not deployed yet." in page
    assert "0 %" not in page
    assert figures_of(entry).percent is None


def test_a_success_is_measured(browser: Client, entry: CatalogEntry, server: McpServer) -> None:
    end(server, seconds=7)
    assert counted(entry) == (1, 1)
    outcome = EntryOutcome.objects.get()
    assert (outcome.succeeded, outcome.version, outcome.server) == (True, entry.version, server.pk)
    assert 7 <= outcome.seconds < 10
    page = browser.get(f"/catalog/{entry.pk}/").content.decode()
    assert "<strong>1</strong> of 1 (100 %)" in page


def test_a_failure_that_a_later_try_mends_is_one_success(user: User, entry: CatalogEntry, server: McpServer) -> None:
    end(server, "It ended at once.")
    assert counted(entry) == (1, 0)
    assert (EntryOutcome.objects.get().code, EntryOutcome.objects.get().detail) == ("not_ready", "It ended at once.")
    start_server(owner=user, server_id=server.pk)
    end(server, "It ended again.")
    assert counted(entry) == (1, 0)
    start_server(owner=user, server_id=server.pk)
    end(server)
    assert counted(entry) == (1, 1)
    assert EntryOutcome.objects.get().code == ""


def test_a_server_that_was_ready_once_changes_nothing_any_more(user: User, entry: CatalogEntry, server: McpServer) -> None:
    end(server)
    restart_server(owner=user, server_id=server.pk)
    end(server, "It broke.")
    assert counted(entry) == (1, 1)
    stop_server(owner=user, server_id=server.pk)
    end(server)
    assert EntryOutcome.objects.count() == 1


@pytest.mark.parametrize("code", ["toolbox_unreachable", "engine_unavailable", "dtma_too_old"])
def test_what_is_no_fault_of_the_entry_does_not_count(user: User, entry: CatalogEntry, server: McpServer, code: str) -> None:
    end(server, "It does not answer.", code)
    assert counted(entry) == (0, 0)
    start_server(owner=user, server_id=server.pk)
    end(server)
    assert counted(entry) == (1, 1)


@pytest.mark.parametrize("kind", [Deployment.Kind.STOP, Deployment.Kind.UPGRADE, Deployment.Kind.RESTORE, Deployment.Kind.ADOPT])
def test_other_kinds_are_no_first_deployments(entry: CatalogEntry, server: McpServer, kind: Deployment.Kind) -> None:
    request_deployment(server=server, kind=kind)
    end(server)
    assert counted(entry) == (0, 0)


def test_a_server_from_before_there_were_outcomes_adds_none(user: User, entry: CatalogEntry, server: McpServer) -> None:
    end(server)
    EntryOutcome.objects.all().delete()
    CatalogEntry.objects.update(deployed_count=0, succeeded_count=0)
    restart_server(owner=user, server_id=server.pk)
    end(server)
    assert counted(entry) == (0, 0)


def test_it_stays_when_the_server_goes(user: User, entry: CatalogEntry, server: McpServer) -> None:
    end(server)
    delete_server(owner=user, server_id=server.pk)
    McpServer.objects.filter(pk=server.pk).delete()
    assert counted(entry) == (1, 1)
    assert EntryOutcome.objects.count() == 1


def test_a_heartbeat_that_ends_a_deployment_counts_too(entry: CatalogEntry, server: McpServer) -> None:
    observe(server_id=server.pk, state=state_of(server, phase=Phase.RUNNING))
    observe(server_id=server.pk, state=state_of(server, phase=Phase.RUNNING, revision=5))
    assert counted(entry) == (1, 1)


def test_the_time_is_the_median_of_those_that_became_ready(entry: CatalogEntry) -> None:
    for number, (succeeded, seconds) in enumerate([(True, 1.0), (True, 5.0), (True, 90.0), (False, 900.0)]):
        EntryOutcome.objects.create(entry=entry, version="1", succeeded=succeeded, seconds=seconds, at=timezone.now() - timedelta(number))
    figures = figures_of(entry)
    assert figures.seconds == 5.0
