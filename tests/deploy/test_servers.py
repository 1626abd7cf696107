"""The MCP servers of a stack that is stopped and started again."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy.local.run import TOOLBOX_LABEL
from tests.e2e.conftest import Rest
from tests.stack import Stack, start_stack, temporary_home


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


def running_servers(home: Path) -> list[str]:
    """The names of the running containers of this home's toolbox."""
    toolbox = json.loads((home / "dtma" / "config.json").read_text())["toolbox"]
    client = docker.from_env()
    try:
        return [found.name for found in client.containers.list(filters={"label": f"{TOOLBOX_LABEL}={toolbox}"})]
    finally:
        client.close()


def deploy_two(stack: Stack) -> tuple[Rest, str, str]:
    """A server that runs and one that its owner has stopped."""
    rest = Rest(stack)
    runs, stopped = rest.deploy("time"), rest.deploy("time", name="stopped")
    rest.until(runs, "running")
    rest.until(stopped, "running")
    assert rest.ask("POST", f"servers/{stopped}/stop/")[0] < 300
    rest.until(stopped, "stopped")
    return rest, runs, stopped


@pytest.mark.timeout(600)
def test_containers_stop_with_the_stack_and_come_back_with_it(home: Path) -> None:
    first = start_stack(home)
    rest, runs, stopped = deploy_two(first)
    before = running_servers(home)
    assert len(before) == 1
    first.stop(signal.SIGINT)
    assert running_servers(home) == []

    second = start_stack(home, first.port)
    rest.until(runs, "running")
    assert rest.get(f"servers/{stopped}/")["status"] == "stopped"
    assert "20" in rest.say(runs, "get_current_time", timezone="UTC")
    assert running_servers(home) == before
    for server in (runs, stopped):
        rest.ask("DELETE", f"servers/{server}/")
        rest.until_gone(server)
    second.stop()
    assert running_servers(home) == []
