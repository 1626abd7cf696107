"""Hosts that cannot be reached for a while, or lose their engine or their power: nobody claims to know, and nothing is lost."""

from __future__ import annotations

import json

from mcp_registry.models import Deployment
from tests.dtma.agent import until
from tests.fleet.members import Fleet, Member


def test_two_hosts_join_and_each_runs_its_own_server(fleet: Fleet, a: Member, b: Member, small: str) -> None:
    servers = {member: fleet.rest.place(member.toolbox, small, "python3", "/srv/workshop.py", member.host.name) for member in (a, b)}
    for member, server in servers.items():
        fleet.rest.until(server, "running", seconds=30)
        assert json.loads(fleet.rest.say(server, "argv")) == [member.host.name]
        assert len(member.host.engine.containers(server)) == 1
    assert a.host.engine.containers(servers[b]) == []
    assert a.now().url == f"https://{a.host.address}:7443"


def test_a_partitioned_toolbox_is_silent_and_hears_afterwards_what_was_changed(fleet: Fleet, a: Member, b: Member, small: str) -> None:
    rest = fleet.rest
    kept, stopped, deleted = (rest.place(a.toolbox, small, "python3", "/srv/workshop.py") for _ in range(3))
    elsewhere = rest.place(b.toolbox, small, "python3", "/srv/workshop.py")
    for server in (kept, stopped, deleted, elsewhere):
        rest.until(server, "running", seconds=30)
    container = rest.server(kept)["container"]
    a.host.partition()
    try:
        fleet.until_silent(a)
        for server in (kept, stopped, deleted):
            assert rest.server(server)["status"] == "unknown"
        assert rest.server(elsewhere)["status"] == "running"
        rest.act(stopped, "stop")
        rest.delete(deleted)
        added = rest.place(a.toolbox, small, "python3", "/srv/workshop.py", "added")
        # On the host itself all goes on, and one of its servers comes to harm.
        assert a.host.engine.containers(deleted) != []
        with a.host.engine.client() as client:
            client.containers.get(container).kill()
        until(lambda: _running(a, kept) not in ([], [container]) or _restarted(a, kept), 20)
        assert rest.server(kept)["status"] == "unknown"
    finally:
        a.host.heal()
    fleet.until_online(a)
    rest.until(kept, "running", seconds=30)
    until(lambda: rest.server(kept)["restarts"] == 1)
    rest.until(stopped, "stopped", seconds=60)
    rest.until_gone(deleted)
    rest.until(added, "running", seconds=60)
    assert json.loads(rest.say(added, "argv")) == ["added"]
    assert (a.host.engine.containers(stopped), a.host.engine.containers(deleted)) == ([], [])
    for server in (kept, added):
        assert len(a.host.engine.containers(server)) == 1


def test_a_killed_engine_is_told_and_its_servers_come_back(fleet: Fleet, a: Member, small: str) -> None:
    rest = fleet.rest
    server = rest.place(a.toolbox, small, "python3", "/srv/workshop.py")
    before = rest.until(server, "running", seconds=30)["container"]
    a.host.kill_engine()
    told = rest.until(server, "unknown", seconds=20)
    assert told["reason"].startswith("The Docker engine of this toolbox does not answer:")
    assert not a.now().is_silent()
    a.host.start_engine()
    after = rest.until(server, "running", seconds=60)["container"]
    assert a.host.engine.containers(server) == [after] != [before]
    assert rest.say(server, "echo", text="back") == "back"


def test_a_rebooted_host_brings_its_servers_back_with_the_control_plane_down(fleet: Fleet, a: Member, small: str) -> None:
    rest = fleet.rest
    runs, stopped = (rest.place(a.toolbox, small, "python3", "/srv/workshop.py") for _ in range(2))
    rest.until(runs, "running", seconds=30)
    rest.until(stopped, "running", seconds=30)
    rest.act(stopped, "stop")
    rest.until(stopped, "stopped", seconds=30)
    before, deployments = a.host.engine.containers(runs), _deployments(runs)
    fleet.control.kill()
    try:
        a.host.reboot()
        until(lambda: _running(a, runs) not in ([], before), 60)
    finally:
        fleet.control.start()
    fleet.until_online(a)
    rest.until(runs, "running", seconds=30)
    until(lambda: rest.server(runs)["container"] in a.host.engine.containers(runs))
    assert rest.say(runs, "echo", text="still here") == "still here"
    assert rest.server(stopped)["status"] == "stopped"
    assert a.host.engine.containers(stopped) == []
    assert _deployments(runs) == deployments


def _running(member: Member, server_id: str) -> list[str]:
    with member.host.engine.client() as client:
        containers = client.containers.list(filters={"label": f"io.agentopia.server={server_id}"})
        return [str(container.id) for container in containers]


def _restarted(member: Member, server_id: str) -> bool:
    """Whether its container runs again, be it the same one."""
    with member.host.engine.client() as client:
        containers = client.containers.list(filters={"label": f"io.agentopia.server={server_id}"})
        return bool(containers) and containers[0].attrs["State"]["FinishedAt"] > "0002"


def _deployments(server_id: str) -> int:
    return Deployment.objects.filter(server__id=server_id).count()
