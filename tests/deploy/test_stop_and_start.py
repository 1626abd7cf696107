"""Stopped and started again: the state, the user and the MCP servers."""

import json
import signal
from pathlib import Path

import docker
import pytest

from deploy.local.run import TOOLBOX_LABEL
from tests.deploy.conftest import assert_nothing_runs
from tests.e2e.conftest import Rest
from tests.stack import Stack, start_stack

ASK_FOR_USERS = ("shell", "--verbosity", "0", "--command", "from accounts.models import User; print(User.objects.values_list())")


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
def test_stopped_and_started_again_everything_is_as_it_was(home: Path) -> None:
    first = start_stack(home)
    rest, runs, stopped = deploy_two(first)
    state, users, servers = (home / "services.json").read_text(), first.manage(*ASK_FOR_USERS), running_servers(home)
    assert len(servers) == 1
    first.stop(signal.SIGINT)
    assert_nothing_runs(home)
    assert running_servers(home) == []

    second = start_stack(home, first.port)
    assert not second.demo_password
    assert (home / "services.json").read_text() == state
    assert second.manage(*ASK_FOR_USERS) == users
    rest.until(runs, "running")
    assert rest.get(f"servers/{stopped}/")["status"] == "stopped"
    assert "UTC" in rest.say(runs, "get_current_time", timezone="UTC")
    assert running_servers(home) == servers
    for server in (runs, stopped):
        rest.ask("DELETE", f"servers/{server}/")
        rest.until_gone(server)
    second.stop()
    assert_nothing_runs(home)
    assert running_servers(home) == []
