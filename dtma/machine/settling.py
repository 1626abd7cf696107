"""The release that is in place becomes the running service."""

from __future__ import annotations

import shutil

from dtma import __version__
from dtma.config import load_config
from dtma.machine.answering import answers_within
from dtma.machine.places import COMMAND, HOME, Problem, used
from dtma.machine.services import service


def settle(patience: float) -> None:
    """Define the service, restart it, and wait for so many seconds until DTMA answers. Raises `Problem` and ``ConfigError``."""
    config = load_config(HOME)
    shutil.copyfile(used() / "bin" / COMMAND.name, COMMAND)
    COMMAND.chmod(0o755)
    here = service()
    here.install()
    here.restart()
    if not answers_within(patience, config, here.runs):
        raise Problem(f"DTMA {__version__} was started and does not answer. See `{here.log}`. Its last words:\n{here.last_words()}")
