"""Upgrades: tried beside, compared, switched, rolled back by themselves; and every point at which that may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from dtma_wire import Phase
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import CatalogEntry, Deployment, McpServer, Stray, Upgrade
from mcp_registry.services.carrying_out import carry_out
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.deployments import claim_deployment, due_deployments
from mcp_registry.services.heartbeats import compare as compare_heartbeat
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import delete_server, deploy_server, restart_server, stop_server
from mcp_registry.services.trials import due_removals, remove_trial
from mcp_registry.services.upgrade_course import advance_upgrade, unfinished_upgrades
from mcp_registry.services.upgrades import approve_upgrade, cancel_upgrade, request_upgrade
from tests.conftest import heartbeat_of, reporting, server_json, state_of
from tests.doubles.toolbox import ToolboxDouble, away, broken, listening, ready, tool
from toolboxes.models import Toolbox, ToolboxEvent

pytestmark = pytest.mark.django_db(transaction=True)  # a conversation with a toolbox gives its database connection back
OLD, NEW = "1.2.3", "2.0.0"


def document(version: str, *variables: dict[str, Any], **profile: Any) -> dict[str, Any]:
    """A version of one entry, whose package has the same version."""
    found = server_json(version=version, _meta={PUBLISHER_SLOT: {"agentopia": profile}})
    found["packages"][0] |= {"version": version}
    found["packages"][0]["environmentVariables"] += variables
    return found


@pytest.fixture
def box(toolbox: Toolbox) -> Iterator[ToolboxDouble]:
    with listening(toolbox) as double:
        double.behaves = {OLD: ready(tool("forecast"), tool("alerts")), NEW: ready(tool("forecast"), tool("alerts"))}
        yield double


@pytest.fixture
def server(user: User, toolbox: Toolbox, box: ToolboxDouble) -> McpServer:
    """One that runs at the old version, of which its entry has a newer one."""
    entry = add_entry(owner=user, document=document(OLD))
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox, config={"CITY": "Rome"}, secrets={"API_KEY": "canary-4711"})
    run(server)
    add_entry(owner=user, document=document(NEW))
    assert now(server).phase == "running"
    return now(server)


def now(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("deployment", "toolbox", "entry", "owner").get(pk=server.pk)


def latest(server: McpServer) -> Upgrade:
    return server.upgrades.select_related("trial", "switch", "back").latest("created_at")


def run(server: McpServer, *, rounds: int = 12) -> None:
    """What workers and beat do, until there is nothing to do: no pauses are waited for."""
    for _ in range(rounds):
        Deployment.objects.filter(status="queued").update(not_before=timezone.now())
        for deployment in due_deployments(timezone.now()):
            carry_out(deployment_id=deployment)
        for server_id in unfinished_upgrades():
            advance_upgrade(server_id=server_id)
        for upgrade in due_removals(timezone.now()):
            remove_trial(upgrade_id=upgrade)


def ask(server: McpServer, **changes: Any) -> Upgrade:
    return request_upgrade(owner=server.owner, server_id=server.pk, **changes)


def test_a_good_version_is_tried_beside_and_switched_to(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    assert (upgrade.status, upgrade.from_version, upgrade.to_version) == ("trying", OLD, NEW)
    carry_out(deployment_id=upgrade.trial_id)
    assert set(box.servers) == {str(server.pk), str(upgrade.trial_server)}, "both at the same time"
    spec = box.servers[str(upgrade.trial_server)]
    assert (spec["desired"], spec["environment"], spec["secrets"]) == ("running", {"CITY": "Rome"}, {"API_KEY": "canary-4711"})
    assert (now(server).version, now(server).generation) == (OLD, server.generation), "the server was not touched"
    run(server)
    assert latest(server).status == "done"
    assert (now(server).version, now(server).phase, now(server).generation) == (NEW, "running", server.generation + 1)
    assert set(box.servers) == {str(server.pk)}, "the trial is gone"
    assert box.deleted == [(str(upgrade.trial_server), "remove")]
    assert latest(server).trial_gone
    assert server.deployments.filter(kind="trial", status="succeeded").count() == 1
    assert now(server).revisions.first().summary == "From version 1.2.3 to 2.0.0"


def test_the_trial_has_volumes_of_its_own_and_shares_no_folder(user: User, toolbox: Toolbox, box: ToolboxDouble) -> None:
    volumes = [{"name": "data", "path": "/data"}]
    entry = add_entry(owner=user, document=document(OLD, volumes=volumes))
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox, config={"CITY": "Rome"}, shared_volumes={"data": "work"})
    run(server)
    add_entry(owner=user, document=document(NEW, volumes=volumes))
    upgrade = ask(now(server))
    carry_out(deployment_id=upgrade.trial_id)
    assert [(volume["name"], volume["shared"]) for volume in box.servers[str(upgrade.trial_server)]["volumes"]] == [("data", False)]
    run(server)
    assert [(volume["name"], volume["shared"]) for volume in box.servers[str(server.pk)]["volumes"]] == [("work", True)]


def test_tools_that_are_gone_or_changed_wait_for_a_decision(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready(tool("forecast", description="Does it better."), tool("news"))
    ask(server)
    run(server)
    upgrade = latest(server)
    assert upgrade.status == "asking"
    assert [gone["name"] for gone in upgrade.difference["removed"]] == ["alerts"]
    assert [changed["name"] for changed in upgrade.difference["changed"]] == ["forecast"]
    assert set(box.servers) == {str(server.pk)}, "the trial does not wait with it"
    assert now(server).version == OLD
    approve_upgrade(owner=server.owner, server_id=server.pk)
    run(server)
    assert (latest(server).status, now(server).version) == ("done", NEW)
    assert {found.name for found in now(server).tools.all()} == {"forecast", "news"}


def test_the_old_one_can_be_kept(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready(tool("forecast"))
    ask(server)
    run(server)
    cancel_upgrade(owner=server.owner, server_id=server.pk)
    run(server)
    assert (latest(server).status, now(server).version, now(server).generation) == ("cancelled", OLD, server.generation)


def test_nobody_is_asked_where_nobody_wants_to_be(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready(tool("forecast"))
    ask(server, ask=False)
    run(server)
    assert (latest(server).status, now(server).version) == ("done", NEW)
    assert latest(server).difference["removed"], "it is told all the same"


def test_a_version_that_does_not_come_up_never_touches_the_server(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = broken("It ended with exit code 1.")
    ask(server)
    run(server)
    upgrade = latest(server)
    assert (upgrade.status, upgrade.problem) == ("failed", "It ended with exit code 1.")
    assert [line["text"] for line in upgrade.last_log] == ["its last words"]
    assert (now(server).version, now(server).generation, now(server).phase) == (OLD, server.generation, "running")
    assert now(server).deployment_id == server.deployment_id
    assert (set(box.servers), upgrade.trial_gone) == ({str(server.pk)}, True)
    assert "did not become ready" in ToolboxEvent.objects.filter(kind="upgrade").latest("pk").text


def test_a_switch_that_fails_is_rolled_back_by_itself(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready_once(broken("Its data is of an older version."))
    ask(server)
    run(server)
    upgrade = latest(server)
    assert (upgrade.status, upgrade.problem) == ("rolled_back", "Its data is of an older version.")
    assert (now(server).version, now(server).phase, now(server).generation) == (OLD, "running", server.generation + 2)
    assert box.servers[str(server.pk)]["source"]["version"] == OLD
    assert now(server).secrets == {"API_KEY": "canary-4711"}
    assert [deployment.kind for deployment in now(server).deployments.all()] == ["rollback", "upgrade", "trial", "deploy"]
    assert now(server).revisions.first().by is None
    event = AuditEvent.objects.get(action="server.rollback")
    assert (event.via, event.actor_id) == ("system", None)
    assert "2.0.0 did not become ready: Its data is of an older version." in event.summary


def test_a_roll_back_that_fails_too_is_said(server: McpServer, box: ToolboxDouble) -> None:
    def gone_bad() -> None:
        box.behaves[OLD] = broken("Nothing starts here any more.")

    box.behaves[NEW] = ready_once(broken("It ended."), then=gone_bad)
    ask(server)
    run(server)
    upgrade = latest(server)
    assert upgrade.status == "rolled_back"
    assert upgrade.problem == "It ended. Then 1.2.3 did not come back either: Nothing starts here any more."
    assert now(server).deployment.status == "failed", "which its page says, with the way to try again"
    box.behaves[OLD] = ready(tool("forecast"))
    restart_server(owner=server.owner, server_id=server.pk)
    run(server)
    assert (now(server).version, now(server).phase) == (OLD, "running")


def test_a_toolbox_that_is_away_during_the_trial_is_waited_for_and_then_said(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = away
    upgrade = ask(server)
    run(server, rounds=3)
    assert latest(server).status == "trying"
    assert "does not answer" in Deployment.objects.get(pk=upgrade.trial_id).detail
    box.behaves[NEW] = ready(tool("forecast"), tool("alerts"))
    run(server)
    assert latest(server).status == "done"


def test_a_toolbox_that_stays_away_leaves_the_server_as_it_is(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = away
    ask(server)
    run(server)
    assert latest(server).status == "failed"
    assert "does not answer" in latest(server).problem
    assert now(server).version == OLD


def test_a_toolbox_that_is_away_during_the_switch_is_no_reason_to_go_back(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready_once(away)
    ask(server)
    run(server, rounds=15)
    assert now(server).deployment.status == "failed"
    assert latest(server).status == "switching", "it is waited for"
    box.behaves[NEW] = ready(tool("forecast"), tool("alerts"))
    reporting(server.toolbox)
    compare_heartbeat(toolbox=server.toolbox, heartbeat=heartbeat_of(state_of(server, revision=1 << 39, tools_hash=server.tools_hash)))
    run(server)
    assert now(server).deployment.kind == "repair"
    assert (latest(server).status, now(server).version, now(server).phase) == ("done", NEW, "running")


def test_what_the_toolbox_says_after_it_was_away_counts(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready_once(away)
    ask(server)
    run(server, rounds=15)
    observe(server_id=server.pk, state=state_of(now(server), Phase.CRASHED, revision=1 << 39, reason="It ended.", tools=None))
    run(server)
    assert (latest(server).status, latest(server).problem) == ("rolled_back", "It ended.")


def test_a_worker_killed_during_the_trial_is_followed_by_another(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    assert claim_deployment(deployment_id=upgrade.trial_id) is not None  # it was killed then
    run(server)
    assert latest(server).status == "trying"
    Deployment.objects.filter(pk=upgrade.trial_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    run(server)
    assert (latest(server).status, now(server).version) == ("done", NEW)


def test_a_worker_killed_between_trial_and_switch_loses_nothing(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    carry_out(deployment_id=upgrade.trial_id)  # and nobody was told
    assert unfinished_upgrades() == [server.pk]
    run(server)
    assert latest(server).status == "done"


@pytest.mark.parametrize("moment", ["switch", "back"])
def test_a_worker_killed_during_the_switch_or_the_way_back_is_followed_by_another(
    server: McpServer, box: ToolboxDouble, moment: str
) -> None:
    box.behaves[NEW] = ready_once(broken("It ended.")) if moment == "back" else box.behaves[NEW]
    ask(server)
    while getattr(latest(server), moment) is None:
        run(server, rounds=1)
    deployment = getattr(latest(server), moment)
    Deployment.objects.filter(pk=deployment.pk).update(status="running", lease_until=timezone.now() + timedelta(seconds=9), attempts=1)
    run(server)
    assert latest(server).is_unfinished
    Deployment.objects.filter(pk=deployment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run(server)
    assert latest(server).status == ("rolled_back" if moment == "back" else "done")


@pytest.mark.parametrize("change", [stop_server, restart_server])
def test_a_change_of_the_server_ends_the_trial(server: McpServer, box: ToolboxDouble, change: Callable[..., McpServer]) -> None:
    upgrade = ask(server)
    carry_out(deployment_id=upgrade.trial_id)
    change(owner=server.owner, server_id=server.pk)
    run(server)
    assert (latest(server).status, now(server).version) == ("cancelled", OLD)
    assert "You changed the server" in latest(server).problem
    assert (set(box.servers) - {str(server.pk)}, latest(server).trial_gone) == (set(), True)


def test_a_change_in_the_middle_of_the_switch_leaves_the_new_version(server: McpServer, box: ToolboxDouble) -> None:
    ask(server)
    while latest(server).status != "switching":
        run(server, rounds=1)
    Deployment.objects.filter(pk=latest(server).switch_id).update(status="queued", not_before=timezone.now() + timedelta(hours=1))
    Upgrade.objects.filter(server=server).update(status="switching")
    restart_server(owner=server.owner, server_id=server.pk)
    run(server)
    assert (latest(server).status, now(server).version, now(server).phase) == ("cancelled", NEW, "running")
    assert "It stays at 2.0.0" in latest(server).problem


def test_a_repair_of_the_server_does_not_end_the_trial(server: McpServer, box: ToolboxDouble) -> None:
    ask(server)
    reporting(server.toolbox)
    compare_heartbeat(toolbox=server.toolbox, heartbeat=heartbeat_of())
    assert now(server).deployment.kind == "repair"
    run(server)
    assert (latest(server).status, now(server).version) == ("done", NEW)


def test_a_deleted_server_takes_its_trial_along(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    carry_out(deployment_id=upgrade.trial_id)
    delete_server(owner=server.owner, server_id=server.pk)
    for deployment in due_deployments(timezone.now()):
        carry_out(deployment_id=deployment)
    assert box.servers == {}
    assert not McpServer.objects.filter(pk=server.pk).exists()


def test_a_trial_that_cannot_be_removed_is_removed_later(server: McpServer, box: ToolboxDouble) -> None:
    box.deletes = False
    upgrade = ask(server)
    run(server)
    assert (latest(server).status, latest(server).trial_gone) == ("done", False)
    assert str(upgrade.trial_server) in box.servers
    assert due_removals(timezone.now()) == [], "not at once again"
    box.deletes = True
    later = timezone.now() + timedelta(minutes=2)
    assert due_removals(later) == [upgrade.pk]
    Upgrade.objects.filter(pk=upgrade.pk).update(removal_after=timezone.now())
    run(server)
    assert (set(box.servers), latest(server).trial_gone) == ({str(server.pk)}, True)


def test_a_trial_in_a_heartbeat_is_no_stray_and_is_let_be_while_it_is_needed(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    states = [state_of(server, id=each, revision=1 << 39) for each in (str(server.pk), str(upgrade.trial_server))]
    taken = compare_heartbeat(toolbox=server.toolbox, heartbeat=heartbeat_of(*states))
    assert (taken.known, taken.wanted) == (True, ())
    assert not Stray.objects.exists()


def test_a_leftover_in_a_heartbeat_is_removed(server: McpServer, box: ToolboxDouble) -> None:
    upgrade = ask(server)
    run(server)
    assert latest(server).trial_gone
    box.servers[str(upgrade.trial_server)] = {}  # a worker that was slow to hear of the end
    states = [state_of(now(server), id=each, revision=1 << 39) for each in (str(server.pk), str(upgrade.trial_server))]
    taken = compare_heartbeat(toolbox=server.toolbox, heartbeat=heartbeat_of(*states))
    assert [(wanted.id, wanted.desired, wanted.volumes) for wanted in taken.wanted] == [(str(upgrade.trial_server), "absent", "remove")]
    run(server)
    assert set(box.servers) == {str(server.pk)}


def test_a_stopped_server_is_tried_and_stays_stopped(server: McpServer, box: ToolboxDouble) -> None:
    stop_server(owner=server.owner, server_id=server.pk)
    Deployment.objects.filter(kind="stop").update(status="succeeded")
    observe(server_id=server.pk, state=state_of(now(server), Phase.STOPPED, revision=1 << 39, tools=None))
    ask(server)
    run(server)
    assert (latest(server).status, now(server).version, now(server).desired) == ("done", NEW, "stopped")
    assert box.servers[str(server.pk)]["desired"] == "stopped"
    assert latest(server).difference["same"] == 2, "its tools are known from when it ran"


def test_a_toolbox_without_memory_refuses_the_trial_and_says_how_else(server: McpServer, box: ToolboxDouble) -> None:
    reporting(server.toolbox, memory_bytes=1024 * 2**20)
    with pytest.raises(Conflict, match=r"no room on “box” to try 2\.0\.0 beside it: .* Upgrade without a trial") as refused:
        ask(server)
    assert refused.value.code == "no_room_for_trial"
    assert not Upgrade.objects.exists()
    ask(server, trial=False)
    run(server)
    assert (latest(server).status, now(server).version, box.deleted) == ("done", NEW, [])


def test_two_trials_are_not_promised_the_same_room(user: User, server: McpServer, box: ToolboxDouble) -> None:
    assert server.entry is not None
    other = deploy_server(owner=user, entry=server.entry, toolbox=server.toolbox, config={"CITY": "Oslo"})
    run(other)
    add_entry(owner=user, document=document("3.0.0"))
    reporting(server.toolbox, memory_bytes=2048 * 2**20)
    ask(server)
    with pytest.raises(Conflict, match="no room"):
        ask(other)


def test_without_a_trial_a_bad_version_is_rolled_back(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = broken("It ended.")
    ask(server, trial=False)
    run(server)
    assert (latest(server).status, now(server).version, now(server).phase) == ("rolled_back", OLD, "running")


def test_an_older_version_is_gone_to_in_the_same_way(server: McpServer, box: ToolboxDouble) -> None:
    ask(server)
    run(server)
    ask(server, version=OLD)
    run(server)
    assert (latest(server).status, now(server).version) == ("done", OLD)


def test_new_required_settings_are_asked_for_before_anything_starts(server: McpServer, user: User, box: ToolboxDouble) -> None:
    new = {"name": "TOKEN", "isRequired": True, "isSecret": True}
    add_entry(owner=user, document=document("3.0.0", new))
    box.behaves["3.0.0"] = ready(tool("forecast"), tool("alerts"))
    with pytest.raises(InvalidInput) as refused:
        ask(server)
    assert refused.value.fields == {"TOKEN": "This setting is required."}
    assert not Upgrade.objects.exists()
    upgrade = ask(server, secrets={"TOKEN": "canary-1234"})
    stored = Upgrade.objects.raw("SELECT id, secrets::text AS raw FROM mcp_registry_upgrade")[0]
    assert "canary" not in stored.raw
    run(server)
    assert now(server).secrets == {"API_KEY": "canary-4711", "TOKEN": "canary-1234"}
    assert set(now(server).secrets_set_at) == {"API_KEY", "TOKEN"}
    assert now(server).secrets_set_at["API_KEY"] == server.secrets_set_at["API_KEY"]
    upgrade.refresh_from_db()
    assert upgrade.secrets == {}, "they are the server's now, and nowhere else"


def test_it_is_recorded_who_asked_and_decided(server: McpServer, box: ToolboxDouble) -> None:
    box.behaves[NEW] = ready(tool("forecast"))
    ask(server)
    run(server)
    approve_upgrade(owner=server.owner, server_id=server.pk)
    run(server)
    told = AuditEvent.objects.filter(action__startswith="server.upgrade").order_by("pk")
    assert [event.action for event in told] == ["server.upgrade_asked", "server.upgrade_approved", "server.upgrade"]
    assert "canary" not in str([(event.summary, event.changes) for event in told])


@pytest.mark.parametrize(
    ("code", "prepare"),
    [
        ("same_version", lambda server: {"version": OLD}),
        ("server_busy", lambda server: restart_server(owner=server.owner, server_id=server.pk) and {}),
        ("upgrade_under_way", lambda server: request_upgrade(owner=server.owner, server_id=server.pk) and {}),
        ("server_deleting", lambda server: delete_server(owner=server.owner, server_id=server.pk) and {}),
        ("no_versions", lambda server: CatalogEntry.objects.update(withdrawn=True) and {}),
        ("no_versions", lambda server: McpServer.objects.update(entry=None) and {}),
    ],
)
def test_what_cannot_be_upgraded_says_why(server: McpServer, code: str, prepare: Callable[[McpServer], dict[str, Any]]) -> None:
    wanted = prepare(server)
    with pytest.raises(Conflict) as refused:
        ask(server, **wanted)
    assert refused.value.code == code


def test_a_version_that_is_not_there_and_a_server_of_somebody_else(server: McpServer, stranger: User) -> None:
    with pytest.raises(NotFound, match="has no version 9"):
        ask(server, version="9")
    for act in (request_upgrade, approve_upgrade, cancel_upgrade):
        with pytest.raises(NotFound):
            act(owner=stranger, server_id=server.pk)


def test_there_is_nothing_to_decide_where_nothing_waits(server: McpServer) -> None:
    for act in (approve_upgrade, cancel_upgrade):
        with pytest.raises(Conflict):
            act(owner=server.owner, server_id=server.pk)


def test_a_silent_toolbox_takes_none(server: McpServer) -> None:
    Toolbox.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
    for trial in (True, False):
        with pytest.raises(Conflict, match="report"):
            ask(server, trial=trial)


def ready_once(afterwards: Any, then: Callable[[], None] = lambda: None) -> Any:
    """Ready as a trial, which comes first; then otherwise."""
    first = ready(tool("forecast"), tool("alerts"))

    def settle(spec: dict[str, Any]) -> Any:
        if spec["name"].endswith("-trial"):
            return first(spec)
        then()
        return afterwards(spec)

    return settle
