"""Machines to install on: containers that are booted like a machine, with an init, an address and an engine of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import psutil
from docker import DockerClient
from docker.models.containers import Container

from deploy.local.images import BASE, ensure_base, has_image
from tests.dtma.agent import ENGINE_URL, until

FOLDER = Path(__file__).parent / "machine"
IMAGE = "agentopia-test/machine"
LABEL = "agentopia-test.machine"
# fmt: off
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
)
# fmt: on
"""By their number; later ones are not known to every engine."""
DEBIAN = {"debian-12": BASE, "debian-13": "trixie"}
UBUNTU = {"ubuntu-22.04": "jammy", "ubuntu-24.04": "noble"}
"""Only where `UBUNTU_MIRROR` names a mirror of it: nothing here says where one is."""
SYSTEMS = {**DEBIAN, **(UBUNTU if os.environ.get("UBUNTU_MIRROR") else {})}
"""The image, or the suite that debootstrap makes one of."""
_SCRIPTS = Path("/usr/share/debootstrap/scripts")


def machine_image(engine: DockerClient, system: str, kind: str) -> str:
    """The image of a machine of this system: ``bare``, or with ``docker``."""
    base = SYSTEMS[system]
    if ":" in base:
        ensure_base(engine)
    else:
        base = _made(engine, base)
    tag = f"{IMAGE}:{system}-{kind}"
    engine.images.build(path=str(FOLDER), target=kind, tag=tag, buildargs={"BASE": base}, rm=True, forcerm=True)
    return tag


def _made(engine: DockerClient, suite: str) -> str:
    tag = f"{IMAGE}-base:{suite}"
    if not has_image(engine, tag):
        with tempfile.TemporaryDirectory() as folder:
            # Any script of Ubuntu's makes all of its suites, of which debootstrap may not know the newest by name.
            where = [os.environ["UBUNTU_MIRROR"], str(_SCRIPTS / "gutsy")] if suite in UBUNTU.values() else []
            parts = ["--components=main,universe"] if where else []
            made = subprocess.run(["debootstrap", "--variant=minbase", *parts, suite, folder, *where], capture_output=True, text=True)
            assert made.returncode == 0, made.stdout[-2000:]
            packed = ["tar", "--directory", folder, "--numeric-owner", "--exclude", "./dev/*", "--create", "."]
            with subprocess.Popen(packed, stdout=subprocess.PIPE) as packing:
                subprocess.run(["docker", "--host", ENGINE_URL, "import", "-", tag], stdin=packing.stdout, check=True, capture_output=True)
    return tag


class Machine:
    """One machine. ``boots`` says whether it has systemd; without, it has an init that starts nothing."""

    def __init__(self, engine: DockerClient, image: str, *, boots: bool = True) -> None:
        self.boots = boots
        self.container: Container = engine.containers.run(
            image,
            ["/power-on", *(["/sbin/init"] if boots else ["sleep", "infinity"])],
            detach=True,
            init=not boots,
            hostname="toolbox",
            name=f"agentopia-machine-{uuid.uuid4().hex[:8]}",
            labels={LABEL: str(os.getpid())},
            environment={"container": "docker"},
            cap_add=_capabilities(),
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            device_cgroup_rules=["a *:* rwm"],
            cgroupns="private",
            tmpfs={"/run": "", "/run/lock": ""},
            volumes=["/var/lib/docker"],
        )
        if boots:
            until(lambda: self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"), 60)
        else:
            until(lambda: self.run("test -e /sys/fs/cgroup/systemd && echo up", check=False), 20)

    @property
    def address(self) -> str:
        self.container.reload()
        return str(next(iter(self.container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"])

    def run(self, command: str, *, check: bool = True, user: str = "root") -> str:
        """What a command (a line of sh) printed."""
        done = self.attempt(command, user=user)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._inside(command, user), capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def begin(self, command: str) -> subprocess.Popen[str]:
        """A command that is not waited for."""
        return subprocess.Popen(self._inside(command, "root"), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def has(self, path: str) -> bool:
        return self.attempt(f"test -e {path}").returncode == 0

    def load(self, image: str) -> None:
        """Take an image from the tests' own engine."""
        command = ["docker", "--host", ENGINE_URL, "exec", "-i", str(self.container.id), "docker", "load"]
        with subprocess.Popen(["docker", "--host", ENGINE_URL, "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(command, stdin=saving.stdout, check=True, capture_output=True)

    def remove(self) -> None:
        self.container.remove(force=True, v=True)

    def _inside(self, command: str, user: str) -> list[str]:
        return ["docker", "--host", ENGINE_URL, "exec", "--user", user, str(self.container.id), "sh", "-c", command]


def remove_machines(engine: DockerClient) -> None:
    """Those of this process, and of processes that were killed."""
    for container in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        process = int(container.labels[LABEL])
        if process == os.getpid() or not psutil.pid_exists(process):
            container.remove(force=True, v=True)


def gateway(engine: DockerClient) -> str:
    """Where machines reach what runs beside their engine: an engine that found its bridge there already does not name the address."""
    bridge = engine.networks.get("bridge").attrs["Options"]["com.docker.network.bridge.name"]
    return next(address.address for address in psutil.net_if_addrs()[bridge] if address.family == socket.AF_INET)


def _capabilities() -> list[str]:
    """All that this process may have: `privileged` asks for more, where the tests themselves run in a container."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    allowed = int(next(line.split()[1] for line in lines if line.startswith("CapBnd")), 16)
    return [name for number, name in enumerate(CAPABILITIES) if allowed >> number & 1]
