"""Machines that are not like the one the control plane runs on: another release, an older C library, no systemd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.dtma.agent import until
from tests.toolboxes.install.control import Shop
from tests.toolboxes.install.machines import SYSTEMS, Machine
from tests.toolboxes.install.seeing import ask, containers, place_server, remains, reports
from toolboxes.models import Toolbox


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system != "debian-12"])
def test_another_system(system: str, switch_on: Callable[..., Machine], make_toolbox: Callable[[], Toolbox], shop: Shop) -> None:
    machine, toolbox = switch_on(system, "bare"), make_toolbox()
    assert "This machine is a toolbox now" in machine.run(shop.command(toolbox))
    assert ask(toolbox).engine_problem == ""
    assert reports(toolbox)
    machine.run("agentopia-dtma upgrade && agentopia-dtma uninstall")
    assert remains(machine) == []


def test_without_systemd(switch_on: Callable[..., Machine], make_toolbox: Callable[[], Toolbox], shop: Shop, small: str) -> None:
    machine, toolbox = switch_on(boots=False), make_toolbox()
    machine.run("setsid dockerd >/dev/null 2>&1 &")
    until(lambda: machine.attempt("docker version").returncode == 0, 30)
    command = shop.command(toolbox)
    assert "This machine is a toolbox now" in machine.run(command)
    machine.load(small)
    place_server(toolbox, "kept", small)
    before = containers(machine)
    assert machine.run("/etc/init.d/agentopia-dtma status; echo $?").strip() == "0"
    assert machine.run("ls /etc/rc2.d | grep agentopia").startswith("S")

    machine.run("pkill -KILL -f '[m] dtma --home'")
    until(lambda: machine.attempt("agentopia-dtma status").returncode == 0, 20)
    assert reports(toolbox)
    assert "started again" in machine.run("cat /var/log/agentopia-dtma.log")
    machine.run(command)
    # A program that DTMA is just starting looks like DTMA itself for a moment.
    until(lambda: machine.run("pgrep -fc '[m] dtma --home'").strip() == "1")
    assert containers(machine) == before

    machine.run("agentopia-dtma uninstall")
    assert remains(machine) == []
    assert machine.run("pgrep -fl [d]tma", check=False) == ""
