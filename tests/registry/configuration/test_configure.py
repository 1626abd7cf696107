"""A server is changed: what is checked, what is stored, and what is said of it before."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent, User
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput, NotFound
from mcp_registry.configuring.changes import Change
from mcp_registry.configuring.drafts import draft_change
from mcp_registry.models import CatalogEntry, Deployment, McpServer, Revision, Tool
from mcp_registry.placement import room_of
from mcp_registry.services.configuration import ChangedMeanwhile, configure_server
from mcp_registry.services.servers import delete_server, deploy_server, restart_server, stop_server
from mcp_registry.spec import spec_of
from tests.conftest import ECHO_TOOL, reporting
from tests.registry.configuration.canary import CANARY
from toolboxes.models import Toolbox
from toolboxes.selectors import described_toolbox_for


@pytest.fixture
def server(user: User, toolbox: Toolbox, weather: CatalogEntry) -> McpServer:
    return deploy_server(owner=user, entry=weather, toolbox=toolbox, config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment", "owner").get(pk=server.pk)


def configure(server: McpServer, **change: Any) -> McpServer:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(**change))
    return fresh(server)


def test_a_change_is_a_new_generation_with_its_revision_audit_and_deployment(server: McpServer) -> None:
    changed = configure(server, config={"CITY": "Bergen"}, secrets={"API_KEY": "another"}, overrides={"memory_mb": 1024})
    assert (changed.generation, changed.config, changed.secrets) == (2, {"CITY": "Bergen"}, {"API_KEY": "another"})
    assert changed.deployment is not None
    assert (changed.deployment.kind, changed.deployment.generation) == (Deployment.Kind.CONFIGURE, 2)
    newest = Revision.objects.filter(server=server).first()
    assert newest is not None
    assert (newest.generation, newest.by, newest.config) == (2, server.owner, {"CITY": "Bergen"})
    assert newest.summary == "CITY: Oslo → Bergen; API_KEY replaced; Memory: 512 MB → 1024 MB"
    told = AuditEvent.objects.get(action="server.configure")
    assert told.changes == {"config.CITY": ["Oslo", "Bergen"], "secrets.API_KEY": ["set", "replaced"], "memory_mb": ["512 MB", "1024 MB"]}


def test_what_is_not_named_stays_and_what_is_named_with_none_goes(server: McpServer) -> None:
    before = server.secrets_set_at["API_KEY"]
    kept = configure(server, config={"CITY": "Bergen"})
    assert (kept.secrets, kept.secrets_set_at) == ({"API_KEY": CANARY}, {"API_KEY": before})
    gone = configure(server, secrets={"API_KEY": None})
    assert (gone.secrets, gone.secrets_set_at, gone.config) == ({}, {}, {"CITY": "Bergen"})
    assert Revision.objects.filter(server=server)[0].summary == "API_KEY removed"


def test_a_replaced_secret_says_when_it_was_set(server: McpServer) -> None:
    before = server.secrets_set_at["API_KEY"]
    assert configure(server, secrets={"API_KEY": "another"}).secrets_set_at["API_KEY"] > before


def test_a_change_that_changes_nothing_makes_no_generation(server: McpServer) -> None:
    draft = configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Oslo"}, overrides={"memory_mb": 512}))
    assert (draft.changes_something, draft.differences, fresh(server).generation) == (False, [], 1)
    assert Deployment.objects.filter(server=server).count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"config": {"CITY": None}}, "CITY"),
        ({"config": {"API_KEY": "x"}}, "API_KEY"),
        ({"config": {"TOWN": "x"}}, "TOWN"),
        ({"secrets": {"TOKEN": "x"}}, "TOKEN"),
        ({"shared_volumes": {"data": "work"}}, "data"),
        ({"overrides": {"memory_mb": 8}}, "memory_mb"),
        ({"overrides": {"memory_mb": "much"}}, "memory_mb"),
        ({"overrides": {"cpus": 1000}}, "cpus"),
        ({"overrides": {"pids": 1}}, "pids"),
        ({"overrides": {"restart": "sometimes"}}, "restart"),
        ({"overrides": {"egress": "some"}}, "egress"),
        ({"overrides": {"egress": "allowlist"}}, "hosts"),
        ({"overrides": {"egress": "allowlist", "hosts": ["not a host"]}}, "hosts"),
        ({"overrides": {"egress": "allowlist", "hosts": "example.org"}}, "hosts"),
        ({"overrides": {"hosts": ["example.org"]}}, "hosts"),
        ({"overrides": {"privileged": True}}, "privileged"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(server: McpServer, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        configure(server, **change)
    assert field in refused.value.fields
    assert fresh(server).generation == 1


def test_limits_network_and_restart_policy_reach_the_spec(server: McpServer) -> None:
    hosts = ["api.example.org", "*.example.net:8443", "[2001:db8::7]:5432"]
    overrides = {"memory_mb": 256, "cpus": 0.5, "pids": 64, "egress": "allowlist", "hosts": hosts, "restart": "never"}
    spec = spec_of(configure(server, overrides=overrides))
    assert (spec.resources.memory_mb, spec.resources.cpus, spec.resources.pids, spec.restart) == (256, 0.5, 64, "never")
    assert [(one.host, one.port) for one in spec.allowed] == [("api.example.org", 443), ("*.example.net", 8443), ("[2001:db8::7]", 5432)]
    assert spec_of(configure(server, overrides={"pids": 96})).allowed == spec.allowed
    none = spec_of(configure(server, overrides={"egress": None}))
    assert (none.egress, none.allowed, none.resources.memory_mb) == ("none", (), 256)


def test_a_memory_limit_of_ones_own_counts_as_promised(server: McpServer, toolbox: Toolbox, user: User) -> None:
    configure(server, overrides={"memory_mb": 2048})
    assert room_of(described_toolbox_for(user, toolbox.pk)).promised == 2048 * 1024**2


def test_memory_that_is_not_there_is_refused_unless_it_is_insisted_on(server: McpServer, toolbox: Toolbox) -> None:
    reporting(toolbox, memory_bytes=2**30)
    with pytest.raises(Conflict, match="no room for that on “box”") as refused:
        configure(server, overrides={"memory_mb": 900})
    assert (refused.value.code, list(refused.value.fields)) == ("toolbox_does_not_fit", ["memory_mb"])
    configure_server(owner=server.owner, server_id=server.pk, change=Change(overrides={"memory_mb": 900}), force=True)
    assert configure(server, overrides={"memory_mb": 800}).generation == 3, "less is never refused"
    with pytest.raises(Conflict, match="processors"):
        configure(server, overrides={"cpus": 16})


def test_a_change_of_somebody_else_in_between_is_told_and_not_undone(server: McpServer) -> None:
    configure(server, config={"CITY": "Bergen"})
    with pytest.raises(ChangedMeanwhile, match=r"by ada@example.org \(generation 2: CITY: Oslo → Bergen\)") as refused:
        configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Rome"}), expected_generation=1)
    assert [one.sentence for one in refused.value.found] == ["CITY: Oslo → Bergen"]
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Rome"}), expected_generation=2)
    assert fresh(server).config == {"CITY": "Rome"}


def test_a_restart_in_between_is_no_change_of_the_settings(server: McpServer) -> None:
    restart_server(owner=server.owner, server_id=server.pk)
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Rome"}), expected_generation=1)
    assert fresh(server).generation == 3


def test_what_needs_a_tick_is_refused_without_it(server: McpServer) -> None:
    def try_it(*confirmed: str) -> None:
        change = Change(overrides={"egress": "open"})
        configure_server(owner=server.owner, server_id=server.pk, change=change, confirmed=confirmed)

    with pytest.raises(Conflict, match="whole internet") as refused:
        try_it()
    assert (refused.value.code, list(refused.value.fields)) == ("not_confirmed", ["egress"])
    try_it("egress")
    assert fresh(server).overrides == {"egress": "open"}


def test_a_stopped_server_stays_stopped(server: McpServer) -> None:
    stop_server(owner=server.owner, server_id=server.pk)
    changed = configure(server, config={"CITY": "Rome"})
    assert (changed.desired, changed.generation, spec_of(changed).desired) == ("stopped", 3, "stopped")


def test_one_that_is_being_deleted_is_not_changed(server: McpServer) -> None:
    delete_server(owner=server.owner, server_id=server.pk)
    with pytest.raises(Conflict, match="being deleted"):
        configure(server, config={"CITY": "Rome"})


def test_an_older_dtma_cannot_be_told_of_a_restart_policy(server: McpServer, toolbox: Toolbox) -> None:
    reporting(toolbox, wire_version=3)
    with pytest.raises(AgentopiaError, match="too old for a restart policy") as refused:
        configure(server, overrides={"restart": "never"})
    assert refused.value.code == "dtma_too_old"
    assert configure(server, overrides={"memory_mb": 256}).generation == 2


def test_another_users_server_is_not_found(server: McpServer, stranger: User) -> None:
    with pytest.raises(NotFound):
        configure_server(owner=stranger, server_id=server.pk, change=Change(config={"CITY": "Rome"}))


def test_whether_tools_are_shown_makes_no_generation(server: McpServer) -> None:
    changed = configure(server, shares_tools=True)
    assert (changed.shares_tools, changed.generation) == (True, 1)
    assert AuditEvent.objects.get(action="server.shares_tools").changes == {"shares_tools": [False, True]}


def test_tools_that_are_shown_no_more_leave_the_entrys_page(server: McpServer) -> None:
    entry = server.entry
    assert entry is not None
    CatalogEntry.objects.filter(pk=entry.pk).update(owner=None)
    Tool.objects.create(server=server, name="echo", position=0, definition=ECHO_TOOL, digest="0" * 64)
    configure(server, shares_tools=True)
    entry.refresh_from_db()
    assert entry.tool_names == "echo"
    configure(server, shares_tools=False)
    entry.refresh_from_db()
    assert (entry.tools, entry.tool_names) == (None, "")


def test_no_secret_is_in_what_is_told(server: McpServer, caplog: pytest.LogCaptureFixture) -> None:
    draft = draft_change(fresh(server), Change(secrets={"API_KEY": CANARY + "2"}))
    configure(server, secrets={"API_KEY": CANARY + "2"})
    told = [*AuditEvent.objects.values_list("summary", "changes"), *Revision.objects.values_list("summary", flat=True)]
    everything = (
        f"{told} {draft.summary} {draft.differences} {draft.consequences} {draft.digest} {Change(secrets={'A': CANARY})} {caplog.text}"
    )
    assert CANARY not in everything
