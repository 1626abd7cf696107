"""A host of the tests' own and a small world outside it, in two network namespaces, so that nothing of this machine is touched or reached.

The host has an engine with its own bridges and firewall; DTMA runs inside it and is spoken to over a link of its own. Outside are public
addresses (of a range that nobody uses any more, RFC 7526), a private one and the metadata address, each with listeners.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.dtma.agent import ENGINE_URL, ROOT, Agent, until

RESOLVER, API, OTHER, HOST = "192.88.99.10", "192.88.99.11", "192.88.99.12", "192.88.99.1"
PRIVATE, METADATA = "10.66.0.10", "169.254.169.254"
ZONE = {
    "api.example.org": [API],
    "other.example.org": [OTHER],
    "db.example.org": [OTHER],
    "wild.example.org": [API],
    "a.wild.example.org": [API],
    "b.c.wild.example.org": [OTHER],
    "rebind.example.org": [PRIVATE],
    "metadata.example.org": [METADATA],
    "host.example.org": [HOST],
    "mixed.example.org": [PRIVATE, API],
}


class Namespace:
    """A network namespace, for as long as a process in it lives."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.through = ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net")
        until(lambda: self._link() != Path("/proc/self/ns/net").readlink())
        self.run("ip", "link", "set", "lo", "up")

    def _link(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net").readlink()

    def run(self, *command: str) -> str:
        return subprocess.run([*self.through, *command], check=True, capture_output=True, text=True).stdout

    def take(self, interface: str, *addresses: str) -> None:
        """Move an interface in and give it addresses."""
        subprocess.run(["ip", "link", "set", interface, "netns", str(self._holder.pid)], check=True)
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", interface)
        self.run("ip", "link", "set", interface, "up")

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class World:
    """The host, its engine, and what is outside."""

    def __init__(self, image: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="agentopia-"))
        self.url = f"unix://{self.root}/docker.sock"
        self.host, self._outside = Namespace(), Namespace()
        self._name = secrets.token_hex(4)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._engine: subprocess.Popen[bytes] | None = None
        self.address = self._connect()
        self._listen()
        self.start_engine()
        with subprocess.Popen(["docker", "--host", ENGINE_URL, "save", image], stdout=subprocess.PIPE) as saving:
            self.docker("load", stdin=saving.stdout)

    def _connect(self) -> str:
        """Links from here to the host and from the host to the outside; returns the host's address as seen from here."""
        number = 4 * secrets.randbelow(64)
        subnet, here, there = f"10.213.{secrets.randbelow(256)}", f"t{self._name}m", f"t{self._name}h"
        subprocess.run(["ip", "link", "add", here, "type", "veth", "peer", "name", there], check=True)
        subprocess.run(["ip", "address", "add", f"{subnet}.{number + 1}/30", "dev", here], check=True)
        subprocess.run(["ip", "link", "set", here, "up"], check=True)
        self.host.take(there, f"{subnet}.{number + 2}/30")
        self.host.run("ip", "link", "add", "out", "type", "veth", "peer", "name", f"t{self._name}o")
        self.host.run("ip", "link", "set", f"t{self._name}o", "netns", self._outside.through[1].split("/")[2])
        self.host.run("ip", "address", "add", f"{HOST}/24", "dev", "out")
        self.host.run("ip", "link", "set", "out", "up")
        inner = [f"{address}/24" for address in (RESOLVER, API, OTHER)]
        for address in (*inner, f"{PRIVATE}/24", f"{METADATA}/32"):
            self._outside.run("ip", "address", "add", address, "dev", f"t{self._name}o")
        self._outside.run("ip", "link", "set", f"t{self._name}o", "up")
        self._outside.run("ip", "route", "add", "default", "via", HOST)
        for network in ("10.66.0.0/24", f"{METADATA}/32"):
            self.host.run("ip", "route", "add", network, "dev", "out")
        return f"{subnet}.{number + 2}"

    def _listen(self) -> None:
        zone = ",".join(f"{name}={'+'.join(found)}" for name, found in ZONE.items())
        outside = [zone, RESOLVER, API, OTHER, PRIVATE, METADATA]
        everywhere = ["x=1.1.1.1", "0.0.0.0"]  # noqa: S104 - what a careless service of the host does
        for namespace, record, arguments in ((self._outside, "seen", outside), (self.host, "seen-on-host", everywhere)):
            (self.root / record).mkdir()
            file = self.root / record / "record"
            command = [*namespace.through, sys.executable, "-m", "tests.dtma.listeners", str(file), *arguments]
            self._processes.append(subprocess.Popen(command, cwd=ROOT))
            until(lambda file=file: file.exists() and "ready" in file.read_text(), 20)

    def start_engine(self) -> None:
        own = ["--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec", "--pidfile", f"{self.root}/pid"]
        with (self.root / "dockerd.log").open("ab") as log:
            self._engine = subprocess.Popen([*self.host.through, "dockerd", "--host", self.url, *own], stdout=log, stderr=log)
        until(self._engine_answers, 60)

    def stop_engine(self) -> None:
        assert self._engine is not None
        self._engine.send_signal(signal.SIGTERM)
        self._engine.wait(60)

    def _engine_answers(self) -> bool:
        assert self._engine is not None
        assert self._engine.poll() is None, (self.root / "dockerd.log").read_text()
        return subprocess.run(["docker", "--host", self.url, "version"], capture_output=True, check=False).returncode == 0

    def docker(self, *arguments: str, **options: Any) -> str:
        return subprocess.run(["docker", "--host", self.url, *arguments], check=True, capture_output=True, **options).stdout.decode()

    def agent(self, name: str, **config: Any) -> Agent:
        """A DTMA on this host, for a toolbox of that name."""
        values = {"docker_url": self.url, "resolver": f"{RESOLVER}:53", "handshake_seconds": 20, **config}
        return Agent(self.root / name, name, host=self.address, through=self.host.through, **values)

    def seen(self, *, on_host: bool = False) -> list[str]:
        """What reached a listener so far, e.g. ``tls 192.88.99.11 443``."""
        return (self.root / ("seen-on-host" if on_host else "seen") / "record").read_text().splitlines()

    def rules(self) -> str:
        """The host's firewall, as far as it is DTMA's."""
        lines = [*self.host.run("iptables-save").splitlines(), *self.host.run("ip6tables-save").splitlines()]
        return "\n".join(line for line in lines if "AGENTOPIA" in line or " ag" in line)

    def remove(self) -> None:
        for container in self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", container)
        self.stop_engine()
        for process in self._processes:
            process.kill()
            process.wait()
        self.host.close()
        self._outside.close()
        subprocess.run(["ip", "link", "delete", f"t{self._name}m"], check=False, capture_output=True)
        subprocess.run(["umount", "--lazy", "--quiet", "--recursive", str(self.root / "data")], check=False)
        shutil.rmtree(self.root)
