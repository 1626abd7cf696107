"""Processes killed in the middle of a deployment: it ends as if nothing had happened, with one container."""

from __future__ import annotations

import pytest
from docker import DockerClient

from tests.dtma.agent import until
from tests.e2e.conftest import Rest
from tests.e2e.test_lifecycle import containers
from tests.stack import Stack

LATE = ("python", "/srv/late.py", "3")  # seconds in which to kill something


@pytest.mark.parametrize("process", ["worker", "dtma", "web", "redis"])
def test_a_deployment_survives_the_death_of(rest: Rest, stack: Stack, engine: DockerClient, image: str, process: str) -> None:
    server_id = rest.deploy_image(image, *LATE)
    rest.until_step(server_id, "handshake")
    stack.kill(process)
    until(lambda: answers(rest), 60)
    server = rest.until_settled(server_id)
    assert server["status"] == "running", server["reason"]
    assert rest.say(server_id, "nothing") == "late, but here"
    assert len(containers(engine, server_id)) == 1
    deployment = rest.get(f"servers/{server_id}/deployments/")["results"][0]
    assert deployment["status"] == "succeeded"
    assert not [step for step in deployment["steps"] if step["state"] != "done"]


def test_a_server_runs_on_while_dtma_is_killed(rest: Rest, stack: Stack, image: str) -> None:
    server_id = rest.deploy_image(image, *LATE)
    before = rest.until(server_id, "running", "failed")
    stack.kill("dtma")
    until(lambda: rest.ask("POST", f"servers/{server_id}/tools/nothing/call/", {"arguments": {}})[0] == 200, 60)
    assert rest.until(server_id, "running")["container"] == before["container"]


def answers(rest: Rest) -> bool:
    """Whether the web process serves; it may be the one that was killed."""
    try:
        return bool(rest.get("toolboxes/"))
    except OSError:
        return False
