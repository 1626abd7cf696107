"""DTMA is killed in each step of a deployment that the control plane follows: every time it ends right, with one container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mcp_registry.models import Deployment
from tests.dtma.registry import running_registry
from tests.fleet.members import Fleet, Member
from tests.hosts.host import Host


@contextlib.contextmanager
def suspended(host: Host, name: str) -> Iterator[None]:
    """A program of the host hangs until the block ends."""
    process = next(process for process in map(psutil.Process, host.namespace.pids()) if process.name() == name)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def killed_in(step: str, fleet: Fleet, member: Member, server: str) -> None:
    """Kill DTMA while the deployment is in a step."""
    deployment = fleet.rest.until_step(server, step, seconds=30)
    assert [one["name"] for one in deployment["steps"]][-1] == step
    member.host.kill_dtma()


def ends_right(fleet: Fleet, member: Member, server: str) -> None:
    state = fleet.rest.until(server, "running", seconds=60)
    assert state["generation"] == state["observed_generation"] == 1
    assert member.host.engine.containers(server) == [state["container"]]
    assert fleet.rest.say(server, "echo", text="here") == "here"
    deployment = Deployment.objects.get(server__id=server)  # the same one went on
    assert deployment.status == Deployment.Status.SUCCEEDED
    # Who was told of the rest by a heartbeat has no steps of it; none is left open.
    assert {step.state for step in deployment.steps.all()} == {"done"}


def test_while_it_pulls_the_image(fleet: Fleet, a: Member, small: str, tmp_path: Path) -> None:
    host = a.host
    with running_registry(tmp_path, inside=host.namespace.through) as registry:
        reference = f"{registry.repository()}:1"
        with host.engine.client() as client:
            client.images.get(small).tag(reference)
            client.images.push(reference)
            client.images.remove(reference)
        with suspended(host, "docker-registry"):
            server = fleet.rest.place(a.toolbox, reference, "python3", "/srv/workshop.py")
            killed_in("image", fleet, a, server)
        a.host.start_dtma()
        ends_right(fleet, a, server)
        assert "@sha256:" in fleet.rest.server(server)["image"]


def test_while_it_starts_the_container(fleet: Fleet, a: Member, small: str) -> None:
    with a.host.engine.held():
        server = fleet.rest.place(a.toolbox, small, "python3", "/srv/workshop.py")
        killed_in("container", fleet, a, server)
    a.host.start_dtma()
    ends_right(fleet, a, server)


@pytest.mark.parametrize(("step", "method"), [("handshake", "initialize"), ("tools", "tools/list")])
def test_while_the_server_does_not_answer_yet(fleet: Fleet, a: Member, small: str, step: str, method: str) -> None:
    server = fleet.rest.place(a.toolbox, small, "python3", "/srv/held.py", method, "2")
    killed_in(step, fleet, a, server)
    a.host.start_dtma()
    ends_right(fleet, a, server)


def test_and_so_does_a_deployment_whose_worker_is_killed_with_it(fleet: Fleet, a: Member, small: str) -> None:
    server = fleet.rest.place(a.toolbox, small, "python3", "/srv/held.py", "initialize", "2")
    fleet.rest.until_step(server, "handshake", seconds=30)
    fleet.control.kill("worker")
    a.host.kill_dtma()
    fleet.control.start("worker")
    a.host.start_dtma()
    ends_right(fleet, a, server)
