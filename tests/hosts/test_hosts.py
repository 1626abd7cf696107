"""The hosts that other tests break: real, separate, and gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.dtma.agent import ROOT, until
from tests.hosts.fixtures import running_hosts, running_network
from tests.hosts.host import Host
from tests.hosts.network import Network, remove_remains
from tests.hosts.remains import folder_of, numbers

PORT = 9999


@pytest.fixture(scope="module")
def hosts(network: Network, small: str) -> Iterator[list[Host]]:
    with running_hosts(network, "a", "b", image=small) as hosts:
        yield hosts


def traces(number: int) -> list[str]:
    """What this machine knows of a network."""
    mark, subnet = f"agh{number}", f"10.88.{number}."
    commands = (["ip", "netns", "list"], ["ip", "-brief", "address"], ["iptables-save"], ["ps", "-eo", "args"], ["cat", "/proc/mounts"])
    lines = [line for command in commands for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{mark}*")]
    found = [
        line for line in (*lines, *groups) if any(f"{name}{end}" in line for name in (mark,) for end in ("-", "/", " ")) or subnet in line
    ]
    return [*found, *([str(folder_of(number))] if folder_of(number).exists() else [])]


def reaches(host: Host) -> bool:
    try:
        with socket.create_connection((host.address, PORT), timeout=0.5):
            return True
    except OSError:
        return False


def test_two_hosts_have_engines_and_addresses_of_their_own(hosts: list[Host], small: str) -> None:
    a, b = hosts
    assert a.address != b.address
    with a.engine.client() as on_a, b.engine.client() as on_b:
        assert on_a.info()["DockerRootDir"] != on_b.info()["DockerRootDir"]
        container = on_a.containers.run(small, ["python3", "-c", "import time; time.sleep(1000)"], detach=True, name="alone")
        assert [one.name for one in on_a.containers.list()] == ["alone"]
        assert on_b.containers.list() == []
        container.remove(force=True)


def test_a_partition_is_silent_and_heals(hosts: list[Host]) -> None:
    a, b = hosts
    server = [sys.executable, "-c", f"import socket, time; s = socket.create_server(('', {PORT})); time.sleep(1000)"]
    listening = [subprocess.Popen([*host.namespace.through, *server]) for host in hosts]
    until(lambda: reaches(a) and reaches(b), 20)
    a.partition()
    assert not reaches(a)
    assert reaches(b)
    assert a.namespace.listens(PORT)
    a.heal()
    until(lambda: reaches(a), 20)
    for process in listening:
        process.kill()
        process.wait()


def test_a_host_loses_its_containers_and_keeps_its_disk_when_it_is_rebooted(hosts: list[Host], small: str) -> None:
    a, b = hosts
    with a.engine.client() as client:
        client.containers.run(small, ["python3", "-c", "import time; time.sleep(1000)"], detach=True, name="left")
    a.reboot()
    with a.engine.client() as client, b.engine.client() as other:
        left = client.containers.get("left")
        assert left.status == "exited"
        left.remove()
        assert client.images.get(small).tags == [small]
        assert other.containers.list(all=True) == []


def test_containers_of_a_host_reach_the_world_outside_it(hosts: list[Host], network: Network, small: str) -> None:
    # This machine, at an address that is not on the bridge.
    with closing(socket.create_server(("", 0))) as server:
        server.settimeout(20)
        address = f"{outer_address()}:{server.getsockname()[1]}"
        script = f"import socket; socket.create_connection(('{address.partition(':')[0]}', {address.partition(':')[2]})).sendall(b'here')"
        with hosts[0].engine.client() as client:
            container = client.containers.run(small, ["python3", "-c", script], detach=True)
            connection, _ = server.accept()
            with connection:
                assert connection.recv(10) == b"here"
            container.remove(force=True)


def outer_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
        return str(sock.getsockname()[0])


def test_nothing_is_left_behind(small: str) -> None:
    with running_network() as network, running_hosts(network, "a", image=small) as (host,):
        with host.engine.client() as client:
            client.containers.run(small, ["python3", "-c", "import time; time.sleep(1000)"], detach=True, network_mode="bridge")
        assert len(traces(network.number)) > 10
        number = network.number
    assert traces(number) == []


KILLED = """
import os, signal
from tests.hosts.fixtures import running_hosts, running_network
with running_network() as network, running_hosts(network, "a") as (host,):
    print(network.number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_behind_is_removed_by_the_next(network: Network) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    number = int(killed.stdout)
    assert number != network.number
    assert traces(number) != []
    assert number in numbers()
    remove_remains()
    assert traces(number) == []
    assert network.number in numbers()
