"""Deleting with the data kept, restoring, and removing what was kept; and what a toolbox is told of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import AuditEvent, User
from agentopia.lib.errors import Conflict, NotFound
from dtma_wire import Phase
from mcp_registry.models import CatalogEntry, Deployment, KeptData, McpServer, Revision
from mcp_registry.services.carrying_out import _forget
from mcp_registry.services.deployments import claim_deployment
from mcp_registry.services.heartbeats import take_heartbeat
from mcp_registry.services.kept_data import remove_kept_data, restore_server
from mcp_registry.services.removal import remove_servers_of
from mcp_registry.services.servers import delete_server, deploy_server
from mcp_registry.spec import spec_of
from tests.conftest import heartbeat_of, reporting, state_of
from tests.registry.configuration.canary import CANARY
from toolboxes.models import Toolbox, ToolboxEvent


@pytest.fixture
def server(user: User, toolbox: Toolbox, weather: CatalogEntry) -> McpServer:
    return deploy_server(owner=user, entry=weather, toolbox=toolbox, config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment", "owner").get(pk=server.pk)


def confirm(server: McpServer) -> None:
    """The toolbox says that it is gone."""
    deployment = fresh(server).deployment
    assert deployment is not None
    claimed = claim_deployment(deployment_id=deployment.pk)
    assert claimed is not None
    _forget(claimed)


@pytest.fixture
def kept(server: McpServer) -> KeptData:
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    confirm(server)
    return KeptData.objects.get(pk=server.pk)


def test_what_is_needed_to_restore_it_takes_its_place(server: McpServer, kept: KeptData) -> None:
    assert not McpServer.objects.filter(pk=server.pk).exists()
    assert (kept.name, kept.generation, kept.config, kept.secrets) == ("weather", 2, {"CITY": "Oslo"}, {"API_KEY": CANARY})
    assert AuditEvent.objects.get(action="server.delete").summary == "Its data is kept"


def test_nothing_is_left_of_one_that_was_deleted_with_its_data(server: McpServer) -> None:
    delete_server(owner=server.owner, server_id=server.pk)
    confirm(server)
    assert not McpServer.objects.exists()
    assert not KeptData.objects.exists()


def test_it_is_restored_under_its_id_beyond_the_generation_that_deleted_it(kept: KeptData) -> None:
    restored = restore_server(owner=kept.owner, server_id=kept.pk)
    now = fresh(restored)
    assert (now.pk, now.name, now.generation, now.desired, now.version) == (kept.pk, "weather", 3, "running", "1.2.3")
    assert spec_of(now).secrets["API_KEY"].get_secret_value() == CANARY
    assert now.deployment is not None
    assert now.deployment.kind == Deployment.Kind.RESTORE
    assert Revision.objects.get(server=now).summary == "Restored"
    assert not KeptData.objects.exists()
    assert CANARY not in str(list(AuditEvent.objects.values()))


def test_a_name_that_was_given_away_is_numbered(kept: KeptData, weather: CatalogEntry) -> None:
    deploy_server(owner=kept.owner, entry=weather, name="weather", config={"CITY": "Rome"})
    assert restore_server(owner=kept.owner, server_id=kept.pk).name == "weather-2"


def test_a_deletion_is_undone_before_it_was_confirmed(server: McpServer) -> None:
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    restored = fresh(restore_server(owner=server.owner, server_id=server.pk))
    assert (restored.desired, restored.generation, restored.keep_volumes) == ("running", 3, False)
    assert not KeptData.objects.exists()


def test_a_confirmation_of_what_was_undone_meanwhile_counts_no_more(server: McpServer) -> None:
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    deployment = fresh(server).deployment
    assert deployment is not None
    claimed = claim_deployment(deployment_id=deployment.pk)
    assert claimed is not None
    restore_server(owner=server.owner, server_id=server.pk)
    _forget(claimed)
    assert fresh(server).desired == "running"


def test_data_that_is_being_deleted_cannot_be_kept_any_more_but_the_other_way_round_it_can(server: McpServer) -> None:
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    delete_server(owner=server.owner, server_id=server.pk)
    assert fresh(server).keep_volumes is False
    with pytest.raises(Conflict, match="cannot be kept any more"):
        delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    with pytest.raises(NotFound):
        restore_server(owner=server.owner, server_id=server.pk)


@pytest.mark.parametrize(("keep", "volumes"), [(True, "keep"), (False, "remove")])
def test_a_toolbox_that_was_away_is_told_what_becomes_of_the_data(
    make_server: Callable[..., McpServer], toolbox: Toolbox, keep: bool, volumes: str
) -> None:
    server = make_server()
    before = state_of(server)
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=keep)
    taken = take_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of(before))
    assert [(wish.desired, wish.volumes) for wish in taken.wanted] == [("absent", volumes)]


def test_what_was_kept_is_removed_for_good_by_deleting_it_once_more(kept: KeptData) -> None:
    doomed = fresh(remove_kept_data(owner=kept.owner, server_id=kept.pk))
    assert (doomed.pk, doomed.desired, doomed.generation, doomed.keep_volumes, doomed.phase) == (kept.pk, "absent", 3, False, "absent")
    assert doomed.deployment is not None
    assert doomed.deployment.kind == Deployment.Kind.DELETE
    assert not KeptData.objects.exists()
    confirm(doomed)
    assert not McpServer.objects.exists()


def test_without_room_it_is_not_restored_unless_it_is_insisted_on(kept: KeptData, toolbox: Toolbox) -> None:
    reporting(toolbox, memory_bytes=2**29)
    with pytest.raises(Conflict, match="does not fit"):
        restore_server(owner=kept.owner, server_id=kept.pk)
    assert restore_server(owner=kept.owner, server_id=kept.pk, force=True).desired == "running"


def test_with_the_toolbox_goes_what_was_kept_on_it_with_a_word(kept: KeptData, toolbox: Toolbox) -> None:
    remove_servers_of(toolbox)
    assert not KeptData.objects.exists()
    assert McpServer.objects.get(pk=kept.pk).desired == "absent"
    assert ToolboxEvent.objects.get(kind="kept_data_removed").text == "The data that was kept of “weather” goes with the toolbox."


def test_what_others_kept_is_not_found(kept: KeptData, stranger: User) -> None:
    for attempt in (restore_server, remove_kept_data):
        with pytest.raises(NotFound):
            attempt(owner=stranger, server_id=kept.pk)
    assert KeptData.objects.filter(pk=kept.pk).exists()


def test_a_phase_of_a_deleted_one_is_told_as_absent(make_server: Callable[..., McpServer], toolbox: Toolbox) -> None:
    server = make_server()
    delete_server(owner=server.owner, server_id=server.pk, keep_volumes=True)
    take_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of())
    assert fresh(server).phase == Phase.ABSENT
