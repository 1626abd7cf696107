"""Whether DTMA answers: whoever connects is shown the toolbox's certificate before anything is asked of him."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from dtma.config import Config
from dtma.identity import IdentityFiles
from dtma.identity.contexts import client_context
from dtma.machine.places import HOME
from dtma_wire import toolbox_name

LIMIT_SECONDS = 3.0
PAUSE_SECONDS = 0.2
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


def answers(config: Config) -> bool:
    """Whether what listens on DTMA's port proves that it is this toolbox."""
    host = "127.0.0.1" if config.host in _ANYWHERE else config.host
    try:
        context = client_context(IdentityFiles(HOME).authority)
        with (
            socket.create_connection((host, config.port), LIMIT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=toolbox_name(config.toolbox)),
        ):
            return True
    except (OSError, ssl.SSLError):
        return False


def answers_within(seconds: float, config: Config, goes_on: Callable[[], bool]) -> bool:
    """Wait until it answers, for so long at most, and no longer than it ``goes_on``."""
    end = time.monotonic() + seconds
    while not answers(config):
        if time.monotonic() > end or not goes_on():
            return False
        time.sleep(PAUSE_SECONDS)
    return True
