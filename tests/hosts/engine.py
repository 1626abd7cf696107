"""The Docker engine of one host."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import psutil
from docker import DockerClient

from dtma.labels import LABEL_SERVER
from tests.dtma.agent import ENGINE_URL, until
from tests.hosts.network import MTU, Namespace
from tests.hosts.remains import unmount


class HostEngine:
    """A dockerd with everything of its own. ``place`` tells its addresses from those of its neighbours."""

    def __init__(self, namespace: Namespace, place: int, folder: Path) -> None:
        self.url = f"unix://{folder}/docker.sock"
        self._namespace = namespace
        self._folder = folder
        self._hold = folder / "hold"
        self._process: subprocess.Popen[bytes] | None = None
        self._options = (
            *("--host", self.url, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/docker.pid"),
            *("--bip", f"172.{15 + place}.0.1/24", "--default-address-pool", f"base=172.{15 + place}.128.0/17,size=24", "--mtu", str(MTU)),
            *("--add-runtime", f"held={folder}/runtime", "--default-runtime", "held"),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{namespace.name}"),
        )

    def start(self, *options: str) -> None:
        """Begin to start it; see ``wait``."""
        runtime = self._folder / "runtime"
        # The engine asks for its version, too, which must not wait.
        wait = f"while [ -e {self._hold} ]; do sleep 0.02; done"
        runtime.write_text(f'#!/bin/sh\ncase " $* " in *" create "*) {wait};; esac\nexec runc "$@"\n')
        runtime.chmod(0o755)
        # The file of a killed one names a process that a new one would wait for until somebody has reaped it.
        (self._folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            # Not `ip netns exec`, which hides the control groups.
            command = [*self._namespace.through, "dockerd", *self._options, *options]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self) -> None:
        """Until it answers."""
        until(self._answers, 60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "dockerd.log").read_text()[-2000:]
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            try:
                asking.connect(self.url.removeprefix("unix://"))
                asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in asking.recv(100)
            except OSError:
                return False

    @contextmanager
    def client(self) -> Iterator[DockerClient]:
        """To look at what is on it."""
        client = docker.DockerClient(base_url=self.url, version="1.41")
        try:
            yield client
        finally:
            client.close()

    def kill(self) -> None:
        """End dockerd, and it alone: what becomes of its containers is its own affair. Its containerd ends with it."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        self._process.kill()
        self.reap()
        psutil.wait_procs(children, timeout=30)

    @contextmanager
    def held(self) -> Iterator[None]:
        """No container begins until the block ends; all else goes on."""
        self._hold.touch()
        try:
            yield
        finally:
            self._hold.unlink()

    def reap(self) -> None:
        """After its process was killed."""
        if self._process is not None:
            self._process.wait(30)
            self._process = None

    def forget(self) -> None:
        """What a host that was switched off does not have any more: all that was in memory, and its mounts."""
        unmount(self._folder)
        shutil.rmtree(self._folder / "exec", ignore_errors=True)
        for name in ("docker.pid", "docker.sock"):
            (self._folder / name).unlink(missing_ok=True)

    def load(self, *images: str) -> None:
        """Take images from the machine's own engine."""
        with subprocess.Popen(["docker", "--host", ENGINE_URL, "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.url, "load"], stdin=saving.stdout, check=True, capture_output=True)

    def containers(self, server_id: str) -> list[str]:
        """The ids of a server's containers, running or not."""
        with self.client() as client:
            found = client.containers.list(all=True, filters={"label": f"{LABEL_SERVER}={server_id}"}, ignore_removed=True)
            return [str(container.id) for container in found]
