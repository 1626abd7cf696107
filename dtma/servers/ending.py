"""Why a container did not start, or ended, and what follows when a server that was ready keeps ending."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable

from dtma.config import Config
from dtma.engine import Engine, EngineRefused
from dtma.errors import DISK_FULL, EngineUnavailable, Failure
from dtma_wire import Phase, RestartPolicy

NOTICE_SECONDS = 2.0
"""How long the engine may take to notice that a container whose streams ended has ended."""
KILLED = 128 + signal.SIGKILL
STOPPED_FROM_OUTSIDE = (128 + signal.SIGTERM, KILLED)
"""How a container ends that its engine takes along when it is stopped itself."""
MAX_BACKOFF_SECONDS = 60.0
_EXIT_CODES = {
    0: " It ended by itself: it may need other arguments.",
    126: " Its command cannot be executed.",
    127: " Its command is not in the image: check the arguments.",
}


def refused(refusal: EngineRefused, what: str) -> Failure:
    """What the engine refused, in a sentence; ``what`` is its beginning."""
    said = str(refusal).rstrip(".")
    if refusal.disk_full:
        return Failure(f"{DISK_FULL} The Docker engine said: {said}.")
    return Failure(f"{what}: {said}.")


async def why_it_ended(engine: Engine, container: str, *, when: str, memory_mb: int, process_killed: Callable[[], bool]) -> Failure | None:
    """The reason, in a sentence, for a container whose stream ended; None if it runs on and can be attached to again.

    ``process_killed`` says whether the engine has reported a process of it killed at its memory limit, which the container's own
    state does not tell where it was a child, nor where the engine heard of the end first. Raises ``EngineUnavailable``.
    """
    try:
        ending = await engine.containers.ending(container, NOTICE_SECONDS)
    except EngineRefused as refusal:
        if refusal.status == 404:
            return Failure("The container was removed by somebody else.")
        raise
    if ending is None:  # an engine that is restarted lets go of the streams first, and may keep its containers (live-restore)
        if await engine.goes_away(NOTICE_SECONDS):
            raise EngineUnavailable("it was stopped")
        return None
    told = ending.out_of_memory or process_killed()
    if not told and ending.exit_code in STOPPED_FROM_OUTSIDE and await engine.goes_away(NOTICE_SECONDS):
        raise EngineUnavailable("it was stopped, and its containers with it")
    if told or process_killed():
        reason = f"Memory limit of {memory_mb} MB reached (OOM-killed). Give the server more memory."
    elif ending.exit_code == KILLED:  # the engine may miss what the kernel did to a container that is removed at once
        often = f"It was killed: often that is its memory limit, {memory_mb} MB, or a host without free memory."
        reason = f"The server exited with code {ending.exit_code} {when}. {often}"
    else:
        reason = f"The server exited with code {ending.exit_code} {when}.{_EXIT_CODES.get(ending.exit_code, '')}"
    return Failure(reason, exit_code=ending.exit_code)


def stays_ended(failure: Failure, policy: RestartPolicy) -> Failure | None:
    """What is told of a server that was ready and ended, where its restart policy lets it stay so; None where it is started again.

    One that ended with exit code 0 is ``stopped`` (a stop that was asked for has no exit code), every other is what it was.
    """
    well = failure.exit_code == 0
    if policy is RestartPolicy.ALWAYS or (policy is RestartPolicy.ON_FAILURE and not well):
        return None
    because = "only after a failure" if policy is RestartPolicy.ON_FAILURE else "never"
    how = "It ended by itself, with exit code 0." if well else failure.reason
    reason = f"{how} It is not started again: its restart policy says {because}."
    return Failure(reason, phase=Phase.STOPPED if well else failure.phase, exit_code=failure.exit_code)


class Crashes:
    """Counts the crashes and hangs of one server since it was last told to run."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._times: deque[float] = deque()
        self._hung = False

    def add(self, *, hung: bool = False) -> float | None:
        """One more; returns the seconds to wait before the next start, None if there have been too many."""
        self._hung = self._hung or hung
        now = time.monotonic()
        self._times.append(now)
        while self._times[0] < now - self._config.crash_window_seconds:
            self._times.popleft()
        if len(self._times) >= self._config.crash_limit:
            return None
        return min(self._config.backoff_seconds * 2.0 ** (len(self._times) - 1), MAX_BACKOFF_SECONDS)

    @property
    def verdict(self) -> str:
        """Said when there have been too many."""
        minutes = self._config.crash_window_seconds / 60
        what = "crashed or hung" if self._hung else "crashed"
        often = f"It {what} {len(self._times)} times within {minutes:g} minutes and is not restarted any more."
        return f"{often} Look at its log, then start it again."
