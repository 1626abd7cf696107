"""The life of DTMA on one machine with systemd, from nothing to nothing. The tests follow each other, as a person's acts do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.dtma.agent import until
from tests.toolboxes.install.control import Shop
from tests.toolboxes.install.machines import Machine
from tests.toolboxes.install.seeing import ask, containers, newer, now, on_engine, place_server, remains, reports
from toolboxes.models import EnrolmentToken, Toolbox

CRASHES = {"app/dtma/serving.py": "raise SystemExit('this release is broken')\n"}


@pytest.fixture(scope="module")
def machine(switch_on: Callable[..., Machine]) -> Machine:
    """A machine with nothing on it, not even Docker."""
    return switch_on(kind="bare")


@pytest.fixture(scope="module")
def toolbox(make_toolbox: Callable[[], Toolbox]) -> Toolbox:
    return make_toolbox()


@pytest.fixture(scope="module")
def told_once() -> dict[str, str]:
    """What later tests need of earlier ones."""
    return {}


def is_bare(machine: Machine) -> bool:
    return not machine.has("/usr/sbin/dockerd") and not remains(machine)


def test_a_token_that_does_not_count_installs_nothing(machine: Machine, shop: Shop, make_toolbox: Callable[[], Toolbox]) -> None:
    good = shop.command(make_toolbox())
    unknown = good.replace(good.split("/install/")[1].split()[0], "nobody-made-this")
    expired = shop.command(toolbox := make_toolbox())
    EnrolmentToken.objects.filter(toolbox=toolbox).update(expires_at=timezone.now() - timedelta(seconds=1))
    replaced = shop.command(toolbox := make_toolbox())
    shop.command(toolbox)
    for command, sentence in ((unknown, "not known"), (expired, "has expired"), (replaced, "newer install command")):
        done = machine.attempt(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    assert is_bare(machine)


def test_another_authority_than_the_command_names_installs_nothing(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    command = shop.command(toolbox)
    wrong = machine.attempt(command[:-64] + "0" * 64)
    assert wrong.returncode == 1
    assert "is not the control plane that this command came from" in wrong.stderr
    missing = machine.attempt(command.partition(" --ca-fingerprint")[0])
    assert missing.returncode == 1
    assert "fingerprint is missing" in missing.stderr
    assert is_bare(machine)


def test_only_root_and_only_systems_that_are_known(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    command = shop.command(toolbox)
    nobody = machine.attempt(command, user="nobody")
    assert nobody.returncode == 1
    assert "run it with sudo" in nobody.stderr
    other = machine.attempt(f"sed -i.kept s/VERSION_ID=.*/VERSION_ID=9/ /etc/os-release && {command}")
    machine.run("mv /etc/os-release.kept /etc/os-release")
    assert other.returncode == 1
    assert "this is debian 9" in other.stderr
    assert is_bare(machine)


def test_a_script_that_was_cut_off_does_nothing(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    download, _, shell = shop.command(toolbox).partition(" | ")
    machine.run(f"{download} >/tmp/script")
    length = int(machine.run("wc -c </tmp/script"))
    for end in range(length - 200, 0, -(length // 40)):
        machine.attempt(f"head -c {end} /tmp/script | {shell}")
    assert is_bare(machine)


def test_one_command_makes_a_toolbox_of_a_bare_machine(machine: Machine, shop: Shop, toolbox: Toolbox, told_once: dict[str, str]) -> None:
    told_once["command"] = shop.command(toolbox)
    said = machine.run(told_once["command"])
    assert "This machine is a toolbox now" in said
    assert now(toolbox).url == f"https://{machine.address}:7443"
    assert ask(toolbox).hostname == "toolbox"
    assert reports(toolbox)
    assert machine.run("systemctl is-active docker agentopia-dtma").split() == ["active", "active"]
    assert machine.run("systemctl is-enabled agentopia-dtma").strip() == "enabled"
    status = machine.run("agentopia-dtma status")
    assert str(toolbox.pk) in status
    assert "answers" in status
    assert not machine.has("/tmp/tmp.*")


def test_nothing_of_the_release_leaks_into_programs_of_the_host(machine: Machine) -> None:
    process = machine.run("systemctl show --property=MainPID --value agentopia-dtma").strip()
    environment = machine.run(f"tr '\\0' '\\n' </proc/{process}/environ")
    assert "PYTHON" not in environment
    assert "LD_" not in environment
    loaded = machine.run(f"grep -o '/.*[.]so.*' /proc/{process}/maps | sort -u").split()
    assert [path for path in loaded if not path.startswith("/opt/agentopia/dtma/")] == []
    # And each finds what the other brings: its own interpreter in a child, and the host's docker and iptables.
    script = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout)"
    assert machine.run(f'/opt/agentopia/dtma/current/bin/python3 -c "{script}"').strip() == "42"


def test_every_module_of_dtma_can_be_imported_from_the_release(machine: Machine) -> None:
    script = """
import importlib, pkgutil, dtma, dtma_wire, lean_http, mcp_protocol
for package in (dtma, dtma_wire, lean_http, mcp_protocol):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from dtma.builds.recipes import IMAGES
assert (IMAGES / "python" / "Dockerfile").is_file() and (IMAGES / "debian" / "make-base.sh").stat().st_mode & 0o111
print("all")
"""
    assert machine.run(f"/opt/agentopia/dtma/current/bin/python3 -c '{script}'").strip() == "all"


def test_the_command_run_again_changes_nothing(machine: Machine, toolbox: Toolbox, told_once: dict[str, str]) -> None:
    seen = "sha256sum /var/lib/agentopia/dtma/identity/key.pem; readlink /opt/agentopia/dtma/current; ls -A /opt/agentopia/dtma"
    before = machine.run(seen)
    said = machine.run(told_once["command"])
    assert "This machine is a toolbox now" in said
    assert "Fetching" not in said
    assert machine.run(seen) == before
    assert reports(toolbox)


def test_its_command_is_of_no_use_on_another_machine(
    switch_on: Callable[..., Machine], told_once: dict[str, str], toolbox: Toolbox
) -> None:
    other = switch_on(kind="bare")
    done = other.attempt(told_once["command"])
    assert done.returncode == 1
    assert "used on another machine already" in done.stderr
    assert is_bare(other)
    other.remove()
    assert reports(toolbox)


def test_a_toolbox_does_not_become_another_by_mistake(machine: Machine, shop: Shop, make_toolbox: Callable[[], Toolbox]) -> None:
    done = machine.attempt(shop.command(make_toolbox()))
    assert done.returncode == 1
    assert "is another toolbox already" in done.stderr


def test_an_upgrade_leaves_the_servers_running(machine: Machine, shop: Shop, toolbox: Toolbox, small: str) -> None:
    machine.load(small)
    place_server(toolbox, "kept", small)
    before = containers(machine)
    assert len(before) == 1
    with shop.offering(newer("7.0.1")):
        assert "Servers ran on" in machine.run("agentopia-dtma upgrade")
        assert "newest release already" in machine.run("agentopia-dtma upgrade")
    assert ask(toolbox).dtma_version == "7.0.1"
    assert containers(machine) == before
    assert len(machine.run("ls -d /opt/agentopia/dtma/*/").split()) == 3  # this one, the one before, and the link


def test_a_release_that_does_not_come_up_gives_way_to_the_one_before(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    before, kept = machine.run("readlink /opt/agentopia/dtma/current"), containers(machine)
    with shop.offering(CRASHES):
        done = machine.attempt("agentopia-dtma upgrade")
    assert done.returncode == 1
    assert "is back and answers" in done.stderr
    assert "this release is broken" in done.stderr
    assert machine.run("readlink /opt/agentopia/dtma/current") == before
    assert ask(toolbox).dtma_version == "7.0.1"
    assert reports(toolbox)
    assert containers(machine) == kept


def test_dtma_comes_back_when_it_is_killed(machine: Machine, toolbox: Toolbox) -> None:
    machine.run("systemctl kill --signal=KILL agentopia-dtma")
    until(lambda: machine.attempt("agentopia-dtma status").returncode == 0, 20)
    assert reports(toolbox)


def test_uninstalling_leaves_docker_and_what_is_not_ours(machine: Machine, toolbox: Toolbox, small: str) -> None:
    machine.run(f"docker run --detach --name mine --volume mine:/mine {small} python3 -c 'import time; time.sleep(9999)'")
    machine.run(f"docker build --quiet --tag agentopia/server:{'a' * 32} - <<end\nFROM {small}\nend")
    assert len(on_engine(machine)) == 4  # a container, a network, a volume, an image
    assert remains(machine)
    assert "DTMA is gone" in machine.run("agentopia-dtma uninstall")
    assert remains(machine) == []
    assert on_engine(machine) == []
    assert machine.run("docker ps --format '{{.Names}}'").split() == ["mine"]
    assert machine.run("docker volume ls --quiet").split() == ["mine"]
    assert small in machine.run("docker image ls --format '{{.Repository}}:{{.Tag}}'")
    assert json.loads(machine.run("docker info --format '{{json .Swarm.LocalNodeState}}'")) == "inactive"


def test_what_was_uninstalled_can_be_installed_again(machine: Machine, shop: Shop, toolbox: Toolbox) -> None:
    command = shop.command(toolbox)
    machine.run(command)
    assert reports(toolbox)
    uninstall = command.partition(" --ca-fingerprint")[0] + " uninstall"
    machine.run(uninstall)
    assert remains(machine) == []
    assert "is not on this machine" in machine.run(uninstall)
