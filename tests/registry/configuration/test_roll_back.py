"""The way back to what a server was made from at an earlier generation."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent, User
from agentopia.lib.errors import Conflict, NotFound
from mcp_registry.configuring.changes import Change
from mcp_registry.models import CatalogEntry, Deployment, McpServer, Revision
from mcp_registry.services.configuration import ChangedMeanwhile, configure_server, respecify, roll_back
from mcp_registry.services.revisions import specification_of
from mcp_registry.services.servers import deploy_server, restart_server
from mcp_registry.spec import spec_of
from tests.conftest import reporting, server_json
from tests.registry.configuration.canary import CANARY
from toolboxes.models import Toolbox


@pytest.fixture
def server(user: User, toolbox: Toolbox, weather: CatalogEntry) -> McpServer:
    """In Oslo at generation 1, in Bergen with another key and open at generation 2."""
    server = deploy_server(owner=user, entry=weather, toolbox=toolbox, config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})
    change = Change(config={"CITY": "Bergen"}, secrets={"API_KEY": "another"}, overrides={"egress": "open"})
    configure_server(owner=user, server_id=server.pk, change=change)
    return fresh(server)


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment", "owner").get(pk=server.pk)


def test_going_back_is_a_new_generation_with_all_of_then_the_secrets_too(server: McpServer) -> None:
    roll_back(owner=server.owner, server_id=server.pk, generation=1, by=server.owner)
    now = fresh(server)
    assert (now.generation, now.config, now.secrets, now.overrides) == (3, {"CITY": "Oslo"}, {"API_KEY": CANARY}, {})
    assert now.deployment is not None
    assert (now.deployment.kind, now.deployment.generation) == (Deployment.Kind.ROLLBACK, 3)
    newest = Revision.objects.filter(server=server)[0]
    assert newest.summary.startswith("Back to generation 1 (CITY: Bergen → Oslo; API_KEY replaced; Network: the whole internet → none")
    assert AuditEvent.objects.filter(action="server.rollback", changes__has_key="config.CITY").exists()
    assert CANARY not in str(list(AuditEvent.objects.values())) + newest.summary


def test_a_generation_that_only_restarted_it_stands_for_the_revision_before(server: McpServer) -> None:
    restart_server(owner=server.owner, server_id=server.pk)
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Rome"}))
    roll_back(owner=server.owner, server_id=server.pk, generation=3, by=server.owner)
    assert (fresh(server).generation, fresh(server).config) == (5, {"CITY": "Bergen"})


def test_agentopia_itself_goes_back_without_asking_anybody(server: McpServer, toolbox: Toolbox) -> None:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(overrides={"memory_mb": 32, "egress": None}))
    reporting(toolbox, memory_bytes=2**28)
    roll_back(owner=server.owner, server_id=server.pk, generation=2, by=None)
    assert fresh(server).overrides == {"egress": "open"}
    assert Revision.objects.filter(server=server)[0].by is None


def test_wider_permissions_of_then_need_a_tick_now(server: McpServer) -> None:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(overrides={"egress": None}))
    with pytest.raises(Conflict, match="whole internet"):
        roll_back(owner=server.owner, server_id=server.pk, generation=2, by=server.owner, confirmed=())
    roll_back(owner=server.owner, server_id=server.pk, generation=2, by=server.owner, confirmed=("egress",))
    assert fresh(server).generation == 4


def test_it_goes_back_across_versions_though_the_settings_of_then_would_not_pass_today(server: McpServer) -> None:
    package = {**server.manifest["packages"][0], "version": "2.0.0", "environmentVariables": []}
    newer = server_json(version="2.0.0", packages=[package])
    content = {**specification_of(server), "manifest": newer, "config": {}, "secrets": {}}
    respecify(server=server, content=content, kind=Deployment.Kind.UPGRADE, by=server.owner, summary="Version 1.2.3 → 2.0.0")
    assert (fresh(server).version, fresh(server).secrets_set_at) == ("2.0.0", {})
    roll_back(owner=server.owner, server_id=server.pk, generation=2, by=None)
    now = fresh(server)
    assert (now.version, now.config, now.generation) == ("1.2.3", {"CITY": "Bergen"}, 4)
    assert spec_of(now).secrets["API_KEY"].get_secret_value() == "another"


def test_going_back_to_what_it_is_changes_nothing(server: McpServer) -> None:
    roll_back(owner=server.owner, server_id=server.pk, generation=2, by=server.owner)
    assert fresh(server).generation == 2


def test_there_is_nothing_before_the_first_generation(server: McpServer, stranger: User) -> None:
    with pytest.raises(NotFound, match="no generation 0"):
        roll_back(owner=server.owner, server_id=server.pk, generation=0, by=server.owner)
    with pytest.raises(NotFound):
        roll_back(owner=stranger, server_id=server.pk, generation=1, by=stranger)


def test_a_change_in_between_is_told(server: McpServer) -> None:
    with pytest.raises(ChangedMeanwhile):
        roll_back(owner=server.owner, server_id=server.pk, generation=1, by=server.owner, expected_generation=1)
