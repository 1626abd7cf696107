"""The system service: a unit of systemd, or where that does not run, an init script (SysV) that looks after DTMA itself."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dtma.machine.places import FILES, SERVICE, Problem

UNIT = Path("/etc/systemd/system") / f"{SERVICE}.service"
SCRIPT = Path("/etc/init.d") / SERVICE
ROTATION = Path("/etc/logrotate.d") / SERVICE
LOG = Path("/var/log") / f"{SERVICE}.log"
MOST_RESTARTS = 3
"""What ended so often right after it was started does not come up."""
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Service(Protocol):
    """What is wanted of either. Methods raise `Problem`."""

    @property
    def log(self) -> str:
        """The command that shows what DTMA wrote."""

    def install(self) -> None:
        """Define it as this release wants it, to be started at every boot."""

    def restart(self) -> None:
        """Start it, anew if it runs."""

    def runs(self) -> bool:
        """Whether it was started and may still come up."""

    def last_words(self) -> str:
        """The last lines that DTMA wrote."""

    def remove(self) -> None:
        """Stop it and forget it, whether it is there or not."""


def service() -> Service:
    """The one of this machine."""
    return Systemd() if Path("/run/systemd/system").is_dir() else SysV()


@dataclass(frozen=True)
class Systemd:
    """See ``systemd.service(5)``."""

    log: str = f"journalctl -u {SERVICE}"

    def install(self) -> None:
        shutil.copyfile(FILES / UNIT.name, UNIT)
        _run("systemctl", "daemon-reload")
        _run("systemctl", "enable", "--quiet", SERVICE)

    def restart(self) -> None:
        _run("systemctl", "stop", SERVICE)
        _said("systemctl", "reset-failed", SERVICE)  # the count of restarts begins anew
        _run("systemctl", "start", SERVICE)

    def runs(self) -> bool:
        shown = _said("systemctl", "show", "--property=ActiveState,NRestarts", SERVICE)
        state = dict(line.split("=", 1) for line in shown.splitlines())
        return state["ActiveState"] in ("active", "activating") and int(state["NRestarts"]) < MOST_RESTARTS

    def last_words(self) -> str:
        # Not --unit: that is mostly what systemd says of it.
        return _said("journalctl", f"_SYSTEMD_UNIT={UNIT.name}", "--lines", "5", "--output", "cat", "--no-pager")

    def remove(self) -> None:
        _said("systemctl", "disable", "--quiet", "--now", SERVICE)
        UNIT.unlink(missing_ok=True)
        _run("systemctl", "daemon-reload")
        _said("systemctl", "reset-failed", SERVICE)


@dataclass(frozen=True)
class SysV:
    """The script keeps to the Linux Standard Base, so that it can be enabled by whatever starts a machine's services."""

    log: str = f"tail {LOG}"

    def install(self) -> None:
        shutil.copyfile(FILES / "agentopia-dtma.init", SCRIPT)
        SCRIPT.chmod(0o755)
        if ROTATION.parent.is_dir():
            shutil.copyfile(FILES / "agentopia-dtma.logrotate", ROTATION)
        if shutil.which("update-rc.d", path=_PATH["PATH"]):
            _run("update-rc.d", SERVICE, "defaults")

    def restart(self) -> None:
        _run(str(SCRIPT), "restart")

    def runs(self) -> bool:
        return _call(str(SCRIPT), "status").returncode == 0

    def last_words(self) -> str:
        return _said("tail", "-n", "5", str(LOG))

    def remove(self) -> None:
        if SCRIPT.exists():
            _said(str(SCRIPT), "stop")
            SCRIPT.unlink()
        if shutil.which("update-rc.d", path=_PATH["PATH"]):
            _said("update-rc.d", SERVICE, "remove")
        for path in (ROTATION, *LOG.parent.glob(f"{LOG.name}*")):
            path.unlink(missing_ok=True)


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    # The service must not get the environment of whoever calls this, nor what this process has open.
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_PATH)


def _said(*command: str) -> str:
    return _call(*command).stdout.strip()


def _run(*command: str) -> None:
    done = _call(*command)
    if done.returncode != 0:
        raise Problem(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip() or 'it said nothing'}")
