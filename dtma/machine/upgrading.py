"""Another release takes the place of this one, or does not. Servers' containers run on meanwhile."""

from __future__ import annotations

import asyncio
import platform
import shutil
import subprocess
from pathlib import Path

from dtma.config import Config, load_config
from dtma.machine.answering import answers
from dtma.machine.fetching import Offer, fetch, newest
from dtma.machine.places import HOME, PROGRAMS, UNFINISHED, Problem, alone, running, use, used


def upgrade(patience: float) -> None:
    """Take the newest release of the control plane, and go back to the present one if that does not come up. Raises `Problem`."""
    config = load_config(HOME)
    if config.control_url is None:
        raise Problem("This toolbox has no control plane that it could get a release from.")
    with alone():
        before = running() or used()
        offer = asyncio.run(_put_in_place(config.control_url))
        if offer.place == before == used() and answers(config):
            print(f"This is the newest release already: {before.name}.")
            return
        use(offer.place)
        if (reason := _settles(offer.place, patience)) is not None:
            _go_back(before, config, patience, reason)
        _forget_all_but(before, offer.place)
    print(f"DTMA is {offer.place.name} now; before, it was {before.name}. Servers ran on.")


async def _put_in_place(control: str) -> Offer:
    offer = await newest(control)
    if offer.arch != platform.machine():
        raise Problem(f"The control plane's release is for {offer.arch}, and this machine is {platform.machine()}.")
    if not offer.place.is_dir():
        await fetch(control, offer)
    return offer


def _go_back(before: Path, config: Config, patience: float, reason: str) -> None:
    """Raises `Problem`, in any case."""
    use(before)
    again = _settles(before, patience)
    if again is None and answers(config):
        raise Problem(f"The new release did not come up, so {before.name} is back and answers. {reason}")
    raise Problem(f"The new release did not come up, and {before.name}, which is back in its place, does not answer either. {reason}")


def _settles(release: Path, patience: float) -> str | None:
    """Make a release the running service by its own means; returns why not."""
    command = [str(release / "bin" / "python3"), "-m", "dtma.machine", "settle", "--patience", str(patience)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=patience + 60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()


def _forget_all_but(*kept: Path) -> None:
    for path in PROGRAMS.iterdir():
        if path.is_dir() and not path.is_symlink() and path not in kept and not path.name.startswith(UNFINISHED):
            shutil.rmtree(path)
