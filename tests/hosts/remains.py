"""Finding and removing what belongs to one network of hosts, by name alone: nothing of it need be remembered."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from dtma.isolation import secret_files
from tests.dtma.agent import until

PREFIX = "agh"
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Rule:
    """A rule of this machine's firewall."""

    table: str
    chain: str
    what: tuple[str, ...]

    @property
    def inserted(self) -> tuple[str, ...]:
        return ("-t", self.table, "-I", self.chain, *self.what)

    @property
    def deleted(self) -> tuple[str, ...]:
        return ("-t", self.table, "-D", self.chain, *self.what)


def rules(number: int) -> tuple[Rule, ...]:
    """What lets the hosts out and the answers in: Docker has the kernel drop all that is forwarded and that it does not know."""
    bridge, subnet = f"{PREFIX}{number}", f"10.88.{number}.0/24"
    return (
        Rule("nat", "POSTROUTING", ("-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE")),
        Rule("filter", "FORWARD", ("-i", bridge, "-j", "ACCEPT")),
        Rule("filter", "FORWARD", ("-o", bridge, "-j", "ACCEPT")),
    )


def folder_of(number: int) -> Path:
    """Where all files of a network's hosts are. A short name: the paths of Unix sockets may have about a hundred characters."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{number}"


def numbers() -> set[int]:
    """The networks of which there is anything."""
    names = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    names += [path.name.partition("-")[0] for path in Path("/sys/class/net").iterdir()]
    names += [name.partition("-")[0] for name in _namespaces()]
    return {int(found[1]) for name in names if (found := re.fullmatch(rf"{PREFIX}([0-9]+)", name))}


def remove(number: int) -> None:
    """Everything of one network."""
    name = f"{PREFIX}{number}"
    hosts = {host for host in _namespaces() if host.startswith(f"{name}-")} | {path.name for path in _cgroups(f"{name}-*")}
    for host in hosts:
        kill_processes(host)
    for link in Path("/sys/class/net").glob(f"{name}-*"):
        subprocess.run(["ip", "link", "delete", link.name], check=True)
    for host in hosts & set(_namespaces()):
        subprocess.run(["ip", "netns", "delete", host], check=True)
    if (Path("/sys/class/net") / name).exists():
        subprocess.run(["ip", "link", "delete", name], check=True)
    for rule in rules(number):
        while subprocess.run(["iptables", "--wait", "10", *rule.deleted], capture_output=True).returncode == 0:
            continue
    for home in folder_of(number).glob("*/home"):
        forget_secrets(home)
    unmount(folder_of(number))
    shutil.rmtree(folder_of(number), ignore_errors=True)


def kill_processes(host: str) -> None:
    """All that runs on a host, at once, as when its power fails: in its namespace, or in one of its containers."""
    while found := [process for process in _processes(host) if _alive(process)]:
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        until(lambda found=found: not any(_alive(process) for process in found), 30)  # type: ignore[misc]
    _remove_cgroups(host)


def forget_secrets(home: Path) -> None:
    """What the DTMA of that home keeps outside it, in memory."""
    with suppress(FileNotFoundError):
        toolbox = json.loads((home / "config.json").read_text())["toolbox"]
        for place in secret_files._PLACES:
            shutil.rmtree(place / secret_files._name(toolbox), ignore_errors=True)


def unmount(folder: Path) -> None:
    """All that is mounted in a folder, or is the folder itself; the last one first."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in reversed(mounted):
        if path == str(folder) or path.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", path], check=True)


def _namespaces() -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def _processes(host: str) -> list[psutil.Process]:
    inside = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True).stdout.split()
    contained = [pid for cgroup in _cgroups(host) for file in cgroup.rglob("cgroup.procs") for pid in file.read_text().split()]
    return list(_found({int(pid) for pid in (*inside, *contained)}))


def _found(pids: set[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # whoever started it has yet to notice
    except psutil.NoSuchProcess:
        return False


def _cgroups(pattern: str) -> list[Path]:
    """The control groups of that name, in whichever hierarchies the kernel has."""
    return [*_CGROUPS.glob(pattern), *_CGROUPS.glob(f"*/{pattern}")]


def _remove_cgroups(host: str) -> None:
    """They are empty by now, but a container's may go by itself at the same moment."""
    for top in _cgroups(host):
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(FileNotFoundError):
                until(lambda folder=folder: _removed(folder), 10)  # type: ignore[misc]


def _removed(folder: str) -> bool:
    try:
        Path(folder).rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # busy: a process in it has ended, but not quite
        return False
    return True
