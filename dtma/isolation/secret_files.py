"""Secrets that a server reads from files: on the host in memory only, owned by the server's user, in a directory that root alone enters.

They reach the container as a volume of the engine's local driver, bound to that directory, so they are there before the server's first
process, whatever its image has in it. They go with the container.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from dtma.errors import Failure
from dtma_wire import SecretFile

_PLACES = (Path("/run"), Path("/dev/shm"))
_MOUNTS = Path("/proc/self/mountinfo")


def write(toolbox: str, server_id: str, files: tuple[SecretFile, ...], user: int) -> Path:
    """Put them into the server's directory, in the place of what was there; raises ``Failure`` where this host has no place for them."""
    directory = _directory(toolbox, server_id)
    remove(toolbox, server_id)
    try:
        directory.parent.mkdir(mode=0o700, exist_ok=True)
        _check_own(directory.parent)
        directory.mkdir(mode=0o700)
        for file in files:
            descriptor = os.open(directory / file.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
            with os.fdopen(descriptor, "wb") as target:
                os.fchown(descriptor, user, user)
                target.write(file.content.get_secret_value().encode())
        directory.chmod(0o500)
        os.chown(directory, user, user)
    except OSError as error:
        raise Failure(
            f"The server's secret files cannot be made in {directory.parent}: {error.strerror}. DTMA must run as root."
        ) from error
    return directory


def remove(toolbox: str, server_id: str) -> None:
    """Nothing of them is left."""
    for place in _PLACES:
        shutil.rmtree(place / _name(toolbox) / server_id, ignore_errors=True)


def remove_all(toolbox: str) -> None:
    """Nothing of any server's is left."""
    for place in _PLACES:
        shutil.rmtree(place / _name(toolbox), ignore_errors=True)


def _directory(toolbox: str, server_id: str) -> Path:
    for place in _PLACES:
        if _is_in_memory(place):
            return place / _name(toolbox) / server_id
    raise Failure("Secret files are kept in memory alone, and this host has no tmpfs at /run or /dev/shm. Mount one there.")


def _name(toolbox: str) -> str:
    return f"agentopia-{hashlib.sha256(toolbox.encode()).hexdigest()[:12]}"


def _is_in_memory(place: Path) -> bool:
    """Whether a tmpfs is mounted right there. The last mount on a path is the one that counts (proc(5), mountinfo)."""
    kind = ""
    for line in _MOUNTS.read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4] == str(place):
            kind = after.split()[0]
    return kind == "tmpfs"


def _check_own(directory: Path) -> None:
    """In /dev/shm anybody may have made it before us."""
    found = directory.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o170777 != 0o040700:
        raise PermissionError(1, "the directory there is somebody else's")
