"""A network of hosts on this machine: a bridge with an address, and network namespaces that hang on it, each a host of its own.

Everything has a name that begins with ``agh`` and the number of its network, so that what a killed run left behind is found and removed.
"""

from __future__ import annotations

import errno
import socket
import subprocess

from tests.hosts import remains

NUMBERS = range(1, 251)
MTU = 1400


def run(*command: str) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


class Network:
    """``10.88.N.0/24``, this machine being its first address; ``N`` belongs to this process for as long as it lives."""

    def __init__(self) -> None:
        self._claim, self.number = _claim_number()
        self.name = f"{remains.PREFIX}{self.number}"
        self.folder = remains.folder_of(self.number)
        self.address = self._address(1)
        self.subnet = self._address(0) + "/24"
        remains.remove(self.number)
        self.folder.mkdir(mode=0o711)
        run("ip", "link", "add", self.name, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/24", "dev", self.name)
        run("ip", "link", "set", self.name, "mtu", str(MTU), "up")
        for rule in remains.rules(self.number):
            run("iptables", "--wait", "10", *rule.inserted)

    def _address(self, last: int) -> str:
        return f"10.88.{self.number}.{last}"

    def host(self, place: int, name: str) -> Namespace:
        """The host at a place, from 1 to 200."""
        return Namespace(self, place, name)

    def remove(self) -> None:
        """Everything, and all that lives in it."""
        remains.remove(self.number)
        self._claim.close()


class Namespace:
    """A host as its network sees it. ``through`` begins commands that run on it."""

    def __init__(self, network: Network, place: int, name: str) -> None:
        self.name = f"{network.name}-{name}"
        self.address = network.address.rpartition(".")[0] + f".{place + 10}"
        self.through = ("nsenter", f"--net=/run/netns/{self.name}")
        self._network = network
        self._link = f"{network.name}-{place}"

    def plug_in(self) -> None:
        """Make it, with its link to the bridge."""
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self._link, "mtu", str(MTU), "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "link", "set", "eth0", "mtu", str(MTU), "up")
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.name, "route", "add", "default", "via", self._network.address)
        run("ip", "link", "set", self._link, "master", self._network.name, "up")

    def unplug(self) -> None:
        """Remove it, with its links, bridges and firewall."""
        run("ip", "link", "delete", self._link)  # the kernel takes its time over what is in a namespace
        run("ip", "netns", "delete", self.name)

    def partition(self) -> None:
        """Let nothing in or out, and say so to nobody."""
        run("ip", "link", "set", self._link, "down")

    def heal(self) -> None:
        run("ip", "link", "set", self._link, "up")

    def run(self, *command: str) -> str:
        return run(*self.through, *command)

    def pids(self) -> list[int]:
        """The processes of this host, but for those in containers."""
        return [int(pid) for pid in run("ip", "netns", "pids", self.name).split()]

    def listens(self, port: int) -> bool:
        """Whether a program of this host listens on a port, as it knows itself."""
        return bool(self.run("ss", "--no-header", "--listening", "--tcp", "--numeric", f"sport = :{port}").strip())


def remove_remains() -> None:
    """Of all networks whose process has been killed."""
    for number in remains.numbers():
        claim = _try(number)
        if claim is not None:
            with claim:
                remains.remove(number)


def _claim_number() -> tuple[socket.socket, int]:
    for number in NUMBERS:
        claim = _try(number)
        if claim is not None:
            return claim, number
    raise AssertionError("there is no free network left")


def _try(number: int) -> socket.socket | None:
    """Hold a number; None where a living process does. An abstract socket leaves no file and goes with its process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0agentopia-hosts-{number}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim
