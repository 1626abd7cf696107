"""Pauses between wrong guesses, which grow: for an account, and for the address that they come from.

The counts lie in the cache that all processes share (Redis). An attempt counts before it is made and is given back when it succeeds, so
that many at once get no further than one after the other: of those after the free ones, each has to take the pause that it would cost.
Attempts during a pause change nothing, so nobody can make another's pause longer than its own course.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field

from django.core.cache import cache
from redis.exceptions import RedisError

from agentopia.lib.errors import AgentopiaError, Unavailable

DAY = 86400
NAMESPACE = "pauses"


class TooManyAttempts(AgentopiaError):
    """It has to wait; ``seconds`` says how long."""

    code = "too_many_attempts"
    http_status = 429
    retryable = True

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {in_words(seconds)}.")
        self.seconds = seconds


@dataclass(frozen=True)
class Pace:
    """So many attempts are free; each one after that is followed by a pause (seconds), the last of them again and again.

    What was counted is forgotten ``memory`` seconds after the first attempt.
    """

    name: str
    free: int
    pauses: tuple[int, ...]
    memory: int = DAY

    def pause_after(self, count: int) -> int:
        """Seconds to wait after so many attempts that failed."""
        over = count - self.free
        return 0 if over < 0 else self.pauses[min(over, len(self.pauses) - 1)]


ACCOUNT = Pace("account", 5, (15, 30, 60, 120, 300, 600, 900))
ADDRESS = Pace("address", 20, (15, 30, 60, 120, 300, 600, 900), memory=3600)
TOKENS = Pace("tokens", 30, (5, 15, 30, 60, 300), memory=3600)


@dataclass
class Attempt:
    """A guess of one kind at one thing: ``whom`` is an account's address or a network address, and is kept as a hash."""

    pace: Pace
    whom: str
    paused: bool = field(default=False, init=False)
    """Whether it took a pause, to be waited for if it fails."""

    def _key(self, what: str) -> str:
        return f"{NAMESPACE}:{self.pace.name}:{what}:{hashlib.sha256(self.whom.encode()).hexdigest()}"

    def begin(self) -> None:
        """Count an attempt that is about to be made. Raises `TooManyAttempts` during a pause, and `Unavailable`."""
        try:
            if seconds := self.left():
                raise TooManyAttempts(seconds)
            cache.add(self._key("count"), 0, self.pace.memory)
            pause = self.pace.pause_after(cache.incr(self._key("count")))
            if pause:
                self.paused = cache.add(self._key("until"), time.time() + pause, pause)
            if pause and not self.paused:  # another one took this pause in the same moment
                raise TooManyAttempts(self.left() or pause)
        except (RedisError, ValueError) as error:
            raise Unavailable(
                "Whether this may be tried now cannot be found out: Agentopia's Redis does not answer. Try again soon."
            ) from error

    def left(self) -> int:
        """Whole seconds of the present pause; 0: there is none."""
        until: float = cache.get(self._key("until"), 0.0)
        return max(0, math.ceil(until - time.time()))

    def succeeded(self) -> None:
        """It was no wrong guess: what it counted is given back, and so is its pause."""
        if self.paused:
            cache.delete(self._key("until"))
        if cache.get(self._key("count"), 0) > 0:
            cache.decr(self._key("count"))

    def forget(self) -> None:
        """All that was counted is forgotten."""
        cache.delete_many([self._key("count"), self._key("until")])


def begin_all(*attempts: Attempt) -> None:
    """Begin all of them, or none. Raises as `Attempt.begin` does."""
    for number, attempt in enumerate(attempts):
        try:
            attempt.begin()
        except AgentopiaError:
            for begun in attempts[:number]:
                begun.succeeded()
            raise


def in_words(seconds: int) -> str:
    """A pause for a person: `40 seconds`, `2 minutes`."""
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
