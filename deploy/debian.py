"""Debian's and Ubuntu's package manager, for what a machine may lack: Docker, Chromium, Python's venv module.

Standard library only: bootstrap.py needs it before there is an environment.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

from deploy.terminal import say


class AptError(Exception):
    """Why the packages were not installed and what to do about it, in one sentence."""


def as_root(command: Sequence[str]) -> list[str] | None:
    """The command as root would run it, through sudo where that asks for no password; None where this user may not."""
    if os.geteuid() == 0:
        return list(command)
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n", *command]
    return None


def is_available(package: str) -> bool:
    """Whether this release of Debian or Ubuntu has the package."""
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True)
    return shown.returncode == 0 and bool(shown.stdout)


def install_packages(wanted: Sequence[str], where_available: Sequence[str] = ()) -> None:
    """Install packages, and those of `where_available` that this release has. Raises AptError."""
    names = " ".join(wanted)
    if not shutil.which("apt-get"):
        raise AptError(f"install {names} (with your system's package manager) and run this again.")
    apt = as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Acquire::Retries=3"])
    if apt is None:
        raise AptError(f"run `sudo apt-get install {names}` and run this again.")
    say(f"Installing {names} with apt-get (takes a minute or two)")
    for step in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        if step[0] == "install":
            step += [package for package in where_available if is_available(package)]
        done = subprocess.run([*apt, *step], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise AptError(f"`apt-get {' '.join(step)}` failed: {reason[-1] if reason else 'no message'}")
