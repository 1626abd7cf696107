"""The pause after a container beyond the first one crashed: whoever asks for the next one must not make it a hot loop."""

from __future__ import annotations

import asyncio
import time

from dtma.config import Config
from dtma.mcp.connection import Busy
from dtma.servers.ending import Crashes

PATIENCE_SECONDS = 5.0
"""A client waits for the end of a pause that is no longer than this."""


class Pause:
    """Grows as the pauses of a server that keeps crashing; after too many crashes it is as long as they are counted for."""

    def __init__(self, config: Config) -> None:
        self._crashes = Crashes(config)
        self._longest = config.crash_window_seconds
        self._until = 0.0

    def begin(self) -> None:
        """A container crashed just now."""
        wait = self._crashes.add()
        self._until = time.monotonic() + (self._longest if wait is None else wait)

    async def end(self) -> None:
        """Return when it is over; at once where there is none."""
        await asyncio.sleep(max(0.0, self._until - time.monotonic()))

    def check(self) -> None:
        """Raises ``Busy`` where a client would have to wait for too long."""
        left = self._until - time.monotonic()
        if left > PATIENCE_SECONDS:
            raise Busy(
                f"Containers of this server for further clients keep failing. The next is tried in {left:.0f} s; look at the server's log."
            )
