"""What goes wrong on the way, and what a second attempt makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.dtma.agent import until
from tests.toolboxes.install.control import Shop
from tests.toolboxes.install.machines import Machine
from tests.toolboxes.install.seeing import ask, containers, newer, on_engine, place_server, remains, reports
from toolboxes.models import Toolbox

RELEASES = "/opt/agentopia/dtma"


@pytest.fixture(scope="module")
def machine(switch_on: Callable[..., Machine]) -> Machine:
    return switch_on()


@pytest.fixture(scope="module")
def toolbox(make_toolbox: Callable[[], Toolbox]) -> Toolbox:
    return make_toolbox()


def test_a_download_that_breaks_off_or_is_damaged_is_not_installed(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    command = shop.command(toolbox)
    machine.run("echo limit-rate=1M >/root/.curlrc")
    installing = machine.begin(command)
    until(lambda: machine.run(f"find {RELEASES} -name release.tar.gz -size +1M", check=False), 120)
    # The power goes: nothing cleans up.
    machine.run("pkill -KILL -x curl; pkill -KILL -x sh", check=False)
    installing.wait(10)
    assert machine.run(f"ls -A {RELEASES}").startswith(".unfinished-")
    assert not machine.has(f"{RELEASES}/current")
    machine.run("rm /root/.curlrc")
    with shop.damaged():
        done = machine.attempt(command)
    assert done.returncode == 1
    assert "arrived damaged" in done.stderr
    assert not machine.has(f"{RELEASES}/current")


def test_running_the_command_again_goes_on(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    machine.run(shop.command(toolbox))
    assert ask(toolbox).hostname == "toolbox"
    assert machine.run(f"find {RELEASES} -name '.unfinished*'") == ""


def test_an_interrupted_upgrade_changes_nothing(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    before = machine.run(f"readlink {RELEASES}/current")
    with shop.offering({"app/dtma/labels.py": "# of another day\n"}), shop.damaged():
        done = machine.attempt("agentopia-dtma upgrade")
    assert done.returncode == 1
    assert "arrived damaged" in done.stderr
    assert machine.run(f"readlink {RELEASES}/current") == before
    assert reports(toolbox)


def test_an_upgrade_that_was_killed_is_made_up_for(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    before = machine.run(f"readlink {RELEASES}/current")
    with shop.offering(newer("7.0.2")):
        upgrading = machine.begin("agentopia-dtma upgrade")
        until(lambda: machine.run(f"readlink {RELEASES}/current") != before, 120)
        machine.run("pkill -KILL -f '[d]tma.machine'", check=False)
        upgrading.wait(10)
        machine.run("agentopia-dtma upgrade")
    assert ask(toolbox).dtma_version == "7.0.2"
    assert reports(toolbox)


def test_uninstalling_waits_for_docker_and_may_keep_volumes(machine: Machine, toolbox: Toolbox, small: str) -> None:
    machine.load(small)
    place_server(toolbox, "kept", small)
    machine.run("systemctl stop docker.socket docker")
    done = machine.attempt("agentopia-dtma uninstall")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stderr
    machine.run("systemctl start docker")
    assert "volumes of its servers are kept" in machine.run("agentopia-dtma uninstall --keep-volumes")
    assert containers(machine) == []
    assert [line.rpartition(".")[2] for line in on_engine(machine)] == ["data"]
    assert remains(machine) == []
