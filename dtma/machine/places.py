"""Where things are on a machine that DTMA was installed on. The install script knows the same names."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVICE = "agentopia-dtma"
PROGRAMS = Path("/opt/agentopia/dtma")
CURRENT = PROGRAMS / "current"
"""A link to the release that is used; the others beside it are of before."""
HOME = Path("/var/lib/agentopia/dtma")
COMMAND = Path("/usr/local/bin/agentopia-dtma")
UNFINISHED = ".unfinished-"
PATIENCE_SECONDS = 60.0

FILES = Path(__file__).parent / "files"
"""What is put elsewhere on the machine: service definitions."""


class Problem(Exception):
    """It did not work; the message is for a person and says what to do."""


def used() -> Path:
    """The release that is used. Raises `Problem`."""
    try:
        return CURRENT.resolve(strict=True)
    except FileNotFoundError:
        raise Problem(f"{CURRENT} is missing. Run the install command of this toolbox's page again.") from None


def running() -> Path | None:
    """The release that DTMA runs from at this moment; None if it does not run. After an interrupted upgrade it may not be the used one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, program = (process / "cmdline").read_bytes().split(b"\0"), (process / "exe").readlink()
        except OSError:  # it ended meanwhile
            continue
        if program.is_relative_to(PROGRAMS) and command[-5:-2] == [b"-m", b"dtma", b"--home"]:
            return PROGRAMS / program.relative_to(PROGRAMS).parts[0]
    return None


def use(release: Path) -> None:
    """Use this release from now on; at no moment is there none."""
    link = PROGRAMS / f"{UNFINISHED}link-{os.getpid()}"
    link.symlink_to(release.name)
    link.replace(CURRENT)


@contextmanager
def alone() -> Iterator[None]:
    """One upgrade or removal at a time. Raises `Problem` while there is another."""
    with (PROGRAMS / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem("Another agentopia-dtma is at work on this machine. Wait until it has ended.") from None
        yield
