"""What a heartbeat says that is not as desired: it is put right, and shown as what it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from dtma_wire import Heartbeat, Phase, ServerState
from mcp_registry.drift import PAUSES
from mcp_registry.models import Deployment, Drift, McpServer, Stray
from mcp_registry.services.deployments import claim_deployment, finish_deployment
from mcp_registry.services.heartbeats import take_heartbeat
from mcp_registry.services.repairs import go_beyond
from mcp_registry.services.servers import delete_server, stop_server
from mcp_registry.spec import spec_of
from mcp_registry.status import ServerStatus, Status, status_of
from tests.conftest import heartbeat_of, state_of
from toolboxes.models import Toolbox, ToolboxEvent

type Beat = Callable[..., None]
type Make = Callable[..., McpServer]


@pytest.fixture
def beat(toolbox: Toolbox) -> Beat:
    """Sends heartbeats with these states, each the next one."""
    sent: list[Heartbeat] = []

    def send(*states: ServerState, revision: int = 1 << 40) -> None:
        sent.append(heartbeat_of(*states, sequence=len(sent) + 1, revision=revision))
        assert take_heartbeat(toolbox=toolbox, heartbeat=sent[-1]).known

    return send


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment").get(pk=server.pk)


def newest(server: McpServer) -> Deployment:
    deployment = fresh(server).deployment
    assert deployment is not None
    return deployment


def fail(server: McpServer, code: str, *, ago: timedelta = timedelta()) -> None:
    """Its newest deployment failed, so long ago."""
    finish_deployment(deployment=newest(server), problem="It did not work.", code=code)
    Deployment.objects.filter(pk=newest(server).pk).update(finished_at=timezone.now() - ago)


def succeed(server: McpServer) -> None:
    finish_deployment(deployment=newest(server))


def only_drift(server: McpServer) -> Drift:
    return Drift.objects.get(server=server)


def test_a_toolbox_that_lost_its_home_is_given_everything_back(beat: Beat, make_server: Make) -> None:
    servers = [make_server(revision=9 << 32), make_server(revision=(9 << 32) + 1)]
    beat(revision=1 << 32)
    for server in servers:
        drift = only_drift(server)
        assert (drift.what, drift.deployment, drift.repaired_at) == ("missing", newest(server), None)
        assert (newest(server).kind, newest(server).status, fresh(server).phase) == ("repair", "queued", "absent")
    assert ToolboxEvent.objects.filter(kind="drift", severity="warning", text__contains="did not have it any more").count() == 2


def test_the_same_is_not_found_twice(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat()
    beat()
    assert only_drift(server).what == "missing"
    assert server.deployments.filter(kind="repair").count() == 1


def test_what_is_put_right_is_history(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat()
    beat(state_of(fresh(server), revision=1 << 41), revision=1 << 41)
    drift = only_drift(server)
    assert drift.repaired_at is not None
    assert (newest(server).kind, newest(server).status) == ("repair", "succeeded")


def test_a_container_that_somebody_removed_is_a_crash_that_the_toolbox_sees_to(beat: Beat, make_server: Make, browser: Client) -> None:
    server = make_server()
    gone = "The container was removed by somebody else."
    beat(state_of(server, Phase.CRASHED, reason=gone, restarts=1))
    drift = only_drift(server)
    assert (drift.what, drift.sentence, drift.deployment, drift.repaired_at) == ("crashed", gone, None, None)
    assert newest(server).kind == "deploy", "the toolbox restarts it by itself"
    beat(state_of(fresh(server), Phase.PREPARING, reason=gone, restarts=1))
    assert f"{gone} Now its toolbox starts it again." in browser.get(f"/servers/{server.pk}/").content.decode()
    beat(state_of(fresh(server), restarts=1))
    assert only_drift(server).repaired_at is not None


def test_a_crash_that_was_over_before_anybody_heard_of_it_is_told_all_the_same(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat(state_of(server, restarts=1))
    drift = only_drift(server)
    assert (drift.what, drift.sentence) == ("crashed", "It ended, and its toolbox started it again.")
    assert drift.repaired_at is not None


def test_one_that_never_got_ready_is_no_drift(beat: Beat, make_server: Make) -> None:
    server = make_server(phase=Phase.CRASHED, reason="It exited with code 3.")
    beat(state_of(server, Phase.CRASHED, reason="It exited with code 3."))
    assert not Drift.objects.exists()


def test_one_that_does_not_answer_is_told(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat(state_of(server, Phase.UNHEALTHY, reason="It has not answered for 30 s."))
    assert (only_drift(server).what, only_drift(server).sentence) == ("unhealthy", "It has not answered for 30 s.")


def test_one_whose_image_is_gone_has_failed_and_says_why(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat(state_of(server, Phase.ABSENT, reason="The image could not be built again."))
    assert (only_drift(server).what, only_drift(server).sentence) == ("crashed", "The image could not be built again.")
    assert status_of(fresh(server)) == ServerStatus(Status.FAILED, "The image could not be built again.")


def test_one_that_was_stopped_on_the_toolbox_is_started_as_a_newer_generation(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat(state_of(server, Phase.STOPPED))
    assert (only_drift(server).what, fresh(server).generation, newest(server).generation) == ("stopped", 2, 2)
    assert spec_of(fresh(server)).desired == "running"


def test_one_that_runs_though_it_should_be_stopped_is_stopped(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    stop_server(owner=user, server_id=server.pk)
    beat(state_of(fresh(server), Phase.STOPPED))
    assert newest(server).status == "succeeded"
    beat(state_of(fresh(server), Phase.RUNNING))
    assert (only_drift(server).what, newest(server).kind, newest(server).generation) == ("running", "repair", 3)
    assert spec_of(fresh(server)).desired == "stopped"
    beat(state_of(fresh(server), Phase.STOPPED))
    assert only_drift(server).repaired_at is not None


def test_one_that_is_about_to_stop_is_no_drift(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    stop_server(owner=user, server_id=server.pk)
    fail(server, "toolbox_unreachable")
    beat(state_of(fresh(server), Phase.RUNNING))
    assert not Drift.objects.exists()


def test_a_stopped_one_that_is_not_there_is_as_desired(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    stop_server(owner=user, server_id=server.pk)
    succeed(server)
    beat()
    assert not Drift.objects.exists()


def test_what_was_changed_while_the_toolbox_was_away_is_pushed_once_it_is_back(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    before = state_of(server)
    stop_server(owner=user, server_id=server.pk)
    fail(server, "toolbox_unreachable", ago=timedelta(days=1))
    beat(before)
    assert (only_drift(server).what, newest(server).kind, newest(server).generation) == ("older", "repair", 2)


def test_a_generation_newer_than_ours_is_gone_beyond(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat(state_of(server, generation=7))
    assert (only_drift(server).what, fresh(server).generation, newest(server).generation) == ("newer", 8, 8)
    beat(state_of(fresh(server), generation=8))
    assert (newest(server).status, fresh(server).generation) == ("succeeded", 8)


def test_a_deleted_one_of_a_newer_generation_is_deleted_with_a_newer_one(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    delete_server(owner=user, server_id=server.pk)
    fail(server, "stale_generation", ago=timedelta(minutes=2))
    beat(state_of(server, generation=7))
    assert (newest(server).kind, newest(server).generation) == ("delete", 8)


def test_a_refusal_as_stale_is_gone_beyond_at_once(make_server: Make, user: User) -> None:
    server = make_server()
    stop_server(owner=user, server_id=server.pk)
    claimed = claim_deployment(deployment_id=newest(server).pk)
    assert claimed is not None
    go_beyond(deployment=claimed, known=41)
    assert (fresh(server).generation, newest(server).generation, newest(server).status) == (42, 42, "queued")
    assert "newer generation of it (41)" in newest(server).detail
    assert only_drift(server).what == "newer"


def test_a_refusal_of_what_the_user_has_changed_meanwhile_counts_no_more(make_server: Make, user: User) -> None:
    server = make_server()
    stop_server(owner=user, server_id=server.pk)
    claimed = claim_deployment(deployment_id=newest(server).pk)
    assert claimed is not None
    delete_server(owner=user, server_id=server.pk)
    go_beyond(deployment=claimed, known=41)
    assert (fresh(server).generation, newest(server).kind) == (3, "delete")


@pytest.mark.parametrize("code", ["toolbox_unreachable", "engine_unavailable", "internal", "toolbox_refused"])
def test_a_deletion_that_failed_is_done_when_the_toolbox_reports(beat: Beat, make_server: Make, user: User, code: str) -> None:
    server = make_server()
    delete_server(owner=user, server_id=server.pk)
    fail(server, code, ago=timedelta(days=2))
    beat(state_of(server))
    assert (only_drift(server).what, newest(server).kind, newest(server).status) == ("present", "delete", "queued")


def test_a_deleted_one_that_the_toolbox_lost_is_confirmed_without_a_word(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    delete_server(owner=user, server_id=server.pk)
    fail(server, "toolbox_unreachable")
    beat()
    assert (newest(server).kind, newest(server).status) == ("delete", "queued")
    assert not Drift.objects.exists()


def test_a_failure_that_would_only_repeat_is_left_to_the_user(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat()
    fail(server, "not_ready", ago=timedelta(days=2))
    beat()
    assert server.deployments.filter(kind="repair").count() == 1
    assert only_drift(server).repaired_at is None


def test_what_may_succeed_later_is_repeated_with_growing_pauses(beat: Beat, make_server: Make) -> None:
    server = make_server()
    beat()
    for number, pause in enumerate([*PAUSES[1:], PAUSES[-1]], start=1):
        failures = newest(server).failures_before
        fail(server, "disk_full", ago=timedelta(seconds=PAUSES[min(failures, len(PAUSES) - 1)] - 1))
        if failures:
            beat()
            assert newest(server).status == "failed", "not yet"
        fail_time = timezone.now() - timedelta(seconds=PAUSES[min(failures, len(PAUSES) - 1)])
        Deployment.objects.filter(pk=newest(server).pk).update(finished_at=fail_time)
        beat()
        assert (newest(server).status, newest(server).failures_before) == ("queued", number), pause
    drift = only_drift(server)
    assert (drift.what, drift.deployment) == ("missing", newest(server)), "it is one finding, however often it is tried"
    assert ToolboxEvent.objects.filter(kind="drift").count() == 1


def test_a_late_state_does_not_undo_what_is_known(beat: Beat, make_server: Make) -> None:
    server = make_server(revision=5)
    beat(state_of(server, Phase.STOPPED, revision=4))
    assert not Drift.objects.exists()


def test_while_the_user_changes_it_nothing_is_found(beat: Beat, make_server: Make, user: User) -> None:
    server = make_server()
    before = state_of(server)
    stop_server(owner=user, server_id=server.pk)
    beat(before)
    assert not Drift.objects.exists()


def test_old_findings_go(beat: Beat, make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_registry.services.drifts.KEPT", 3)
    server = make_server()
    for restarts in range(1, 6):
        beat(state_of(fresh(server), restarts=restarts))
    assert Drift.objects.filter(server=server).count() == 3


def test_a_server_that_is_not_known_is_listed_once_it_was_named_twice(beat: Beat, make_server: Make, toolbox: Toolbox) -> None:
    server, unknown = make_server(), str(uuid4())
    stray = ServerState(id=unknown, name="lost", generation=3, revision=1, phase=Phase.RUNNING, image="sha256:1")
    beat(state_of(server), stray)
    assert not Stray.objects.get(toolbox=toolbox).confirmed, "it may have been deleted while this heartbeat was under way"
    beat(state_of(fresh(server)), stray)
    kept = Stray.objects.get(toolbox=toolbox)
    assert (kept.server, kept.name, kept.generation, kept.phase, kept.confirmed) == (unknown, "lost", 3, "running", True)
    assert ToolboxEvent.objects.get(kind="stray").text == "It has a server “lost” that is not known here. Adopt it or remove it."
    beat(state_of(fresh(server)))
    assert not Stray.objects.exists()


def test_it_is_shown_while_it_is_put_right_and_afterwards(beat: Beat, make_server: Make, browser: Client) -> None:
    server = make_server()
    beat()
    page = browser.get(f"/servers/{server.pk}/").content.decode()
    assert "The toolbox did not have it any more." in page
    assert "Now it is being brought back." in page
    beat(state_of(fresh(server), revision=1 << 41), revision=1 << 41)
    assert "Now it is being brought back" not in browser.get(f"/servers/{server.pk}/").content.decode()
    history = browser.get(f"/servers/{server.pk}/history/").content.decode()
    assert "The toolbox did not have it any more." in history
    assert "Brought back" in history
