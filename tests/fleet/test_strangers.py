"""What the control plane and a toolbox do not both know: brought back, gone beyond, adopted as it runs, or removed."""

from __future__ import annotations

import json

import pytest

from agentopia.lib.errors import NotFound
from mcp_registry.models import Deployment, Drift, McpServer, Stray
from mcp_registry.services.orphans import adopt, orphans_of, remove
from tests.dtma.agent import until
from tests.fleet.members import Fleet, Member


def running(fleet: Fleet, member: Member, image: str, *arguments: str) -> tuple[str, str]:
    """A server and its container."""
    server = fleet.rest.place(member.toolbox, image, "python3", "/srv/workshop.py", *arguments)
    return server, fleet.rest.until(server, "running", seconds=30)["container"]


def drifts(server: str) -> list[tuple[str, bool]]:
    """What was found of a server, the oldest first, and whether it is right again."""
    return [(drift.what, drift.repaired_at is not None) for drift in Drift.objects.filter(server__id=server).order_by("at")]


def forget(server: str) -> None:
    """As a database that is put back from before the server was deployed."""
    McpServer.objects.filter(pk=server).delete()


def lose_spec(member: Member, server: str) -> None:
    """As a DTMA whose home is put back from before the server was deployed."""
    member.host.stop_dtma()
    for folder in ("servers", "sessions"):
        (member.host.home / folder / f"{server}.json").unlink(missing_ok=True)
    member.host.start_dtma()


def test_a_container_removed_by_hand_comes_back_and_is_told_of(fleet: Fleet, a: Member, small: str) -> None:
    server, container = running(fleet, a, small)
    with a.host.engine.client() as client:
        client.containers.get(container).remove(force=True)
    until(lambda: drifts(server) == [("crashed", True)], 30)
    assert fleet.rest.until(server, "running")["container"] != container
    assert not Deployment.objects.filter(server__id=server, kind="repair").exists(), "its toolbox sees to that by itself"


def test_a_toolbox_that_lost_a_server_is_given_it_back(fleet: Fleet, a: Member, small: str) -> None:
    server, _ = running(fleet, a, small, "kept")
    lose_spec(a, server)
    until(lambda: drifts(server) == [("missing", True)], 60)
    state = fleet.rest.until(server, "running", seconds=30)
    assert a.host.engine.containers(server) == [state["container"]]
    assert json.loads(fleet.rest.say(server, "argv")) == ["kept"]


def test_a_database_put_back_from_before_the_last_changes_goes_beyond_them(fleet: Fleet, a: Member, small: str) -> None:
    server, _ = running(fleet, a, small)
    for _ in range(2):
        fleet.rest.act(server, "restart")
        fleet.rest.until(server, "running", seconds=30)
    until(lambda: McpServer.objects.get(pk=server).observed_generation == 3)
    McpServer.objects.filter(pk=server).update(generation=1, incarnation=0)
    until(lambda: ("newer", True) in drifts(server), 60)
    state = fleet.rest.until(server, "running", seconds=30)
    assert state["generation"] == state["observed_generation"] == 4


def test_a_change_after_such_a_setback_is_not_refused_as_stale(fleet: Fleet, a: Member, small: str) -> None:
    server, _ = running(fleet, a, small)
    for _ in range(2):
        fleet.rest.act(server, "restart")
        fleet.rest.until(server, "running", seconds=30)
    a.host.partition()
    try:
        fleet.until_silent(a)
        McpServer.objects.filter(pk=server).update(generation=1, incarnation=0, observed_generation=1)
        fleet.rest.act(server, "stop")
    finally:
        a.host.heal()
    fleet.rest.until(server, "stopped", seconds=60)
    assert a.host.engine.containers(server) == []
    assert McpServer.objects.get(pk=server).generation > 3


def test_a_deleted_one_that_a_database_brings_back_is_not_refused_as_deleted(fleet: Fleet, a: Member, small: str) -> None:
    server, _ = running(fleet, a, small)
    row = McpServer.objects.get(pk=server)
    fleet.rest.act(server, "restart")
    fleet.rest.until(server, "running", seconds=30)
    fleet.rest.delete(server)
    fleet.rest.until_gone(server)
    row.deployment = None
    row.save(force_insert=True)
    until(lambda: McpServer.objects.get(pk=server).observed_generation == 4, 60)  # the deletion was the third
    state = fleet.rest.until(server, "running", seconds=30)
    assert a.host.engine.containers(server) == [state["container"]]


def test_a_server_that_only_its_toolbox_knows_is_adopted_as_it_runs(fleet: Fleet, a: Member, small: str) -> None:
    server, container = running(fleet, a, small, "--token", "canary")
    name = McpServer.objects.get(pk=server).name
    forget(server)
    until(lambda: Stray.objects.filter(toolbox=a.toolbox, server=server, confirmed=True, phase="running").exists(), 20)
    (found,) = [orphan for orphan in orphans_of(a.now()) if orphan.key == server]
    assert (found.kind, found.name, found.running, found.adoptable) == ("server", name, True, True)
    adopted = adopt(owner=fleet.owner, toolbox=a.now(), key=server)
    assert (str(adopted.pk), adopted.name, adopted.container) == (server, name, container)
    assert a.host.engine.containers(server) == [container], "nothing restarted"
    assert fleet.rest.until(server, "running")["generation"] == 1
    assert json.loads(fleet.rest.say(server, "argv")) == ["--token", "canary"]
    (deployment,) = fleet.rest.get(f"servers/{server}/deployments/")["results"]
    assert (deployment["kind"], deployment["status"]) == ("adopt", "succeeded")
    until(lambda: not Stray.objects.filter(toolbox=a.toolbox).exists())
    fleet.rest.act(server, "restart")
    until(lambda: a.host.engine.containers(server) not in ([], [container]), 30)
    fleet.rest.until(server, "running", seconds=30)
    assert json.loads(fleet.rest.say(server, "argv")) == ["--token", "canary"]


def test_a_container_that_nobody_knows_is_adopted_as_it_runs(fleet: Fleet, a: Member, small: str) -> None:
    server, container = running(fleet, a, small, "alone")
    other, _ = running(fleet, a, small)
    name = McpServer.objects.get(pk=server).name
    forget(server)
    McpServer.objects.filter(pk=other).update(name=name)
    lose_spec(a, server)
    until(lambda: any(orphan.key == container for orphan in orphans_of(a.now())), 30)
    (found,) = [orphan for orphan in orphans_of(a.now()) if orphan.key == container]
    assert (found.kind, found.server, found.running, found.adoptable) == ("container", server, True, True), found.reason
    adopted = adopt(owner=fleet.owner, toolbox=a.now(), key=container)
    assert (str(adopted.pk), adopted.name) == (server, f"{name}-2"), "its name was taken meanwhile"
    assert a.host.engine.containers(server) == [container], "nothing restarted"
    fleet.rest.until(server, "running", seconds=30)
    assert json.loads(fleet.rest.say(server, "argv")) == ["alone"]
    until(lambda: all(orphan.key != container for orphan in orphans_of(a.now())))


def test_what_nobody_wants_is_removed(fleet: Fleet, a: Member, small: str) -> None:
    stray, _ = running(fleet, a, small)
    orphan, container = running(fleet, a, small)
    forget(stray)
    forget(orphan)
    lose_spec(a, orphan)
    until(lambda: {stray, container} <= {found.key for found in orphans_of(a.now())}, 30)
    for key in (stray, container):
        remove(owner=fleet.owner, toolbox=a.now(), key=key, volumes="remove")
    assert (a.host.engine.containers(stray), a.host.engine.containers(orphan)) == ([], [])
    until(lambda: not {stray, container} & {found.key for found in orphans_of(a.now())})  # a heartbeat may have been on its way
    with pytest.raises(NotFound):
        remove(owner=fleet.owner, toolbox=a.now(), key=stray)
