"""A DTMA that was told how to enrol does so before it serves."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from dtma.config import ConfigError
from dtma.identity import IdentityFiles

logger = logging.getLogger(__name__)


def enrol_if_told(home: Path) -> None:
    """If ``config.json`` has an ``enrolment``, try for as long as the control plane does not answer; raises ``ConfigError`` if it refuses.

    In a process of its own, which needs a library that this one does without. One that has an identity already goes on with it.
    """
    if not _told(home):
        return
    logger.info("asking the control plane to become one of its toolboxes")
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        command = [sys.executable, "-m", "dtma.identity", "enrol", "--home", str(home), "--patience", "inf"]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    if done.returncode == 0:
        return
    reason = done.stderr.strip()
    if not IdentityFiles(home).complete:
        raise ConfigError(f"This host was not taken as a toolbox. {reason}")
    logger.warning("it goes on with the identity that it has, for it was not enrolled anew: %s", reason)


def _told(home: Path) -> bool:
    try:
        return bool(json.loads((home / "config.json").read_bytes()).get("enrolment"))
    except (OSError, ValueError, AttributeError):
        return False  # what is wrong with it is said when it is loaded


def _leave(number: int, frame: FrameType | None) -> None:
    """The process that is waited for is killed on the way out (``subprocess.run``)."""
    sys.exit(128 + number)
