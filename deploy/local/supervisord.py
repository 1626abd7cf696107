"""supervisord, tied to the launcher: where that is killed outright, supervisord stops everything and ends too."""

import ctypes
import signal
import sys

from supervisor import supervisord

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    supervisord.main()


if __name__ == "__main__":
    main()
