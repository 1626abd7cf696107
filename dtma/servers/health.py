"""Whether a server that is ready still answers: one that hangs keeps its container and its streams, and looks well from outside.

A server that speaks costs nothing: it is asked only when no message came from it for a while. What it is asked is ``ping`` in the
handshake era and ``server/discover`` in the stateless one; every answer will do, an error too. Many servers run one call at a time and
read nothing meanwhile, so while calls are open a silent server has much longer, and one that computes has as long as it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from dtma.config import Config
from dtma.errors import Failure
from dtma.tasks import background
from dtma_wire import Phase

MISSED = 2
"""So many questions without an answer make a server unhealthy."""
BUSY_SHARE = 0.02
"""A container that uses more than so much of one core computes; one that only waits uses a tenth of it at most."""


class Pulse(Protocol):
    """The connection to one server, as far as its health is concerned."""

    @property
    def heard_at(self) -> float:
        """When the last message came from it, on the monotonic clock."""

    @property
    def open_calls(self) -> int:
        """How many requests of clients wait for their answer."""

    async def probe(self) -> None:
        """Ask something cheap; returns once it is answered, or cannot be any more. It has no limit of its own."""


class Health:
    """Watches one connection. ``tell`` takes a sentence when the server falls ill, and an empty one when it is well again;
    ``cpu_seconds`` says how much its container has computed so far, None where that cannot be told.
    """

    def __init__(self, config: Config, pulse: Pulse, tell: Callable[[str], None], cpu_seconds: Callable[[], float | None]) -> None:
        self._config = config
        self._pulse = pulse
        self._tell = tell
        self._cpu_seconds = cpu_seconds
        self._doubted = asyncio.Event()
        self._questions: list[asyncio.Task[None]] = []

    def doubt(self) -> None:
        """Ask at once: something says that it may not be well."""
        self._doubted.set()

    async def watch(self) -> Failure:
        """Watch for as long as it answers or may yet; returns the reason to restart it."""
        try:
            while True:
                await self._quiet()
                silent_since = self._pulse.heard_at
                if not await self._answers(silent_since) and not await self._recovers(silent_since):
                    seconds = time.monotonic() - silent_since
                    return Failure(f"The server hung: it ran, but did not answer for {seconds:.0f} s.", phase=Phase.UNHEALTHY)
                self._withdraw()
        finally:
            self._withdraw()

    async def _quiet(self) -> None:
        """Return when it has said nothing for so long that it must be asked, or when it is doubted."""
        while not self._doubted.is_set() and (wait := self._pulse.heard_at + self._config.probe_seconds - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._doubted.wait()
            except TimeoutError:
                continue
        self._doubted.clear()

    async def _answers(self, silent_since: float) -> bool:
        """Ask, and ask again; False if both are missed without an excuse."""
        excuse = _Excuse(self._config, self._pulse, self._cpu_seconds)
        missed = 0
        while missed < MISSED:
            # What a server does not read piles up in its input, so no more is asked than has to be answered.
            if len(self._questions) < MISSED:
                self._questions.append(background(self._pulse.probe(), "asking a server whether it answers"))
            if await self._heard(silent_since, self._config.probe_limit_seconds):
                return True
            if not excuse.holds():
                missed += 1
        return False

    async def _recovers(self, silent_since: float) -> bool:
        """It is ill: whether it answers before it has to be restarted."""
        limit = self._config.probe_restart_seconds
        seconds = time.monotonic() - silent_since
        self._tell(
            f"The server has not answered for {seconds:.0f} s, though it runs. It is restarted if it stays silent for another {limit:g} s."
        )
        recovered = await self._heard(silent_since, limit)
        if recovered:
            self._tell("")
        return recovered

    async def _heard(self, silent_since: float, seconds: float) -> bool:
        """Whether any message comes within so many seconds."""
        end = time.monotonic() + seconds
        while self._pulse.heard_at <= silent_since and (left := end - time.monotonic()) > 0:
            open_questions = [question for question in self._questions if not question.done()]
            if open_questions:
                await asyncio.wait(open_questions, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(left)
        return self._pulse.heard_at > silent_since

    def _withdraw(self) -> None:
        # Not waited for: taking a question back may well be something that a hung server has to read.
        for question in self._questions:
            question.cancel()
        self._questions.clear()


class _Excuse:
    """Why a server with open calls may be silent for longer: it spoke lately, or it computes."""

    def __init__(self, config: Config, pulse: Pulse, cpu_seconds: Callable[[], float | None]) -> None:
        self._limit = config.probe_busy_seconds
        self._pulse = pulse
        self._cpu_seconds = cpu_seconds
        self._active_at = time.monotonic()
        self._used: float | None = None
        self._used_at = 0.0

    def holds(self) -> bool:
        """Whether it counts now."""
        if not self._pulse.open_calls:
            return False
        used, now = self._cpu_seconds(), time.monotonic()
        if used is not None:
            if self._used is not None and used - self._used > BUSY_SHARE * (now - self._used_at):
                self._active_at = now
            self._used, self._used_at = used, now
        return now - self._active_at < self._limit
