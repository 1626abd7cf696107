"""supervisord, tied to the launcher: where that is killed outright, supervisord stops everything and ends too."""

import contextlib
import ctypes
import os
import signal
import sys

from supervisor import supervisord
from supervisor.medusa import asyncore_25 as asyncore

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Alarm:
    """Wakes supervisord when a signal comes: it would look after children that have ended only once a second.

    What its loop reads is this end of a pipe; Python itself writes each signal's number into the other end.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        asyncore.socket_map[self._reading] = self

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        """Empty the pipe."""
        with contextlib.suppress(BlockingIOError):
            if os.read(self._reading, 4096).strip(b"\0"):
                os.write(self._writing, b"\0")  # one round more: this one notes what has ended, the next acts on it


class Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    """supervisord's own, with the alarm set once it has closed all that it did not open itself."""

    def runforever(self) -> None:
        Alarm()
        super().runforever()


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    supervisord.Supervisor = Supervisor
    supervisord.main()


if __name__ == "__main__":
    main()
