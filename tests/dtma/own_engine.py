"""An engine of the tests' own, which they may kill: the shared one is never stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import psutil
from docker import DockerClient

from tests.dtma.agent import ENGINE_URL, until


class OwnEngine:
    """A dockerd with its own data and without networks. ``disk_bytes`` limits the disk that it has."""

    def __init__(self, root: Path, disk_bytes: int | None = None) -> None:
        self.url = f"unix://{root}/docker.sock"
        self.disk = root / "disk"
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self.disk.mkdir()
        if disk_bytes is not None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_bytes}", "tmpfs", str(self.disk)], check=True)

    def load(self, *images: str) -> None:
        """Take images from the shared engine."""
        with subprocess.Popen(["docker", "--host", ENGINE_URL, "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.url, "load"], stdin=saving.stdout, check=True, capture_output=True)

    def start(self, *options: str) -> None:
        root = self._root
        with (root / "dockerd.log").open("ab") as log:
            own = ["--data-root", f"{self.disk}/data", "--exec-root", f"{root}/exec", "--pidfile", f"{root}/pid", *options]
            # In a network namespace of its own: an engine without a bridge removes the docker0 that it finds, which is the shared one's.
            command = ["unshare", "--net", "dockerd", "--host", self.url, *own, "--bridge", "none", "--iptables=false"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._answers, 60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._root / "dockerd.log").read_text()
        return subprocess.run(["docker", "--host", self.url, "version"], capture_output=True, check=False).returncode == 0

    @contextmanager
    def client(self) -> Iterator[DockerClient]:
        """To look at what is on it."""
        client = docker.DockerClient(base_url=self.url)
        try:
            yield client
        finally:
            client.close()

    def containers(self, server_id: str) -> list[str]:
        """The ids of a server's containers, running or not."""
        with self.client() as client:
            found = client.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"})
            return [str(container.id) for container in found]

    def end(self, number: signal.Signals) -> None:
        """End dockerd, and it alone: what happens to its containers is its own affair."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)
        until(lambda: not self._processes("containerd.toml"), 30)  # its containerd ends with it
        # A killed one leaves the number of its process, which the next dockerd would wait for until somebody has reaped that.
        (self._root / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def cut_power(self) -> None:
        """Kill everything at once, containers too, and forget what is in memory alone, as a host does that loses its power."""
        shims = self._processes("containerd-shim")
        inside = [child for shim in shims for child in shim.children(recursive=True)]
        for process in (*self._processes("dockerd"), *self._processes("containerd.toml"), *shims, *inside):
            _kill(process)
        assert self._process is not None
        self._process.wait(30)
        until(lambda: not self._processes(""), 30)
        self._unmount()
        shutil.rmtree(self._root / "exec", ignore_errors=True)
        (self._root / "pid").unlink(missing_ok=True)
        (self._root / "docker.sock").unlink(missing_ok=True)

    def remove(self) -> None:
        self.cut_power()
        subprocess.run(["umount", "--quiet", str(self.disk)], check=False)  # fails where its size is not limited
        shutil.rmtree(self._root)

    def _processes(self, name: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if any(str(self._root) in part for part in command) and any(name in part for part in command):
                found.append(process)
        return found

    def _unmount(self) -> None:
        """All but the disk itself, the last one first."""
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed(mounted):
            if path.startswith(f"{self._root}/") and path != str(self.disk):
                subprocess.run(["umount", "--lazy", path], check=True)


def _kill(process: psutil.Process) -> None:
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def own_engine_with(*images: str, disk_bytes: int | None = None) -> Iterator[OwnEngine]:
    """A running engine with these images; all of it is removed at the end."""
    # Not under tmp_path: the paths of Unix sockets may have about a hundred characters.
    own = OwnEngine(Path(tempfile.mkdtemp(prefix="agentopia-")), disk_bytes)
    try:
        own.start()
        own.load(*images)
        yield own
    finally:
        own.remove()
