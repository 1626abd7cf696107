"""Telling the control plane what is observed: every few seconds, and at once when something changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from dtma.config import Config
from dtma.control_plane import ControlPlane, NotTaken
from dtma.observing.board import Board, Watch
from dtma.observing.deltas import Delta, Deltas
from dtma.observing.host import Host
from dtma.observing.load import LoadMeter
from dtma.observing.telling import Telling, Told
from dtma.services import Services
from dtma_wire import WIRE_VERSION, Heartbeat, HeartbeatAnswer, HostInfo, Orphan, Wanted

logger = logging.getLogger(__name__)

PATH = "/dtma/v1/heartbeat"
DEBOUNCE_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True)
class Surroundings:
    """What a heart needs of others. ``orphans`` tells those that there are (None: not known), ``take`` carries out what is wanted, and
    ``unrecognised`` hears that the control plane does not believe who this is.
    """

    orphans: Callable[[], tuple[Orphan, ...] | None]
    take: Callable[[tuple[Wanted, ...]], None]
    unrecognised: Callable[[], None]


class Heart:
    """Pushes ``Heartbeat``s. Failing is never fatal: the next one says again what was not acknowledged."""

    def __init__(self, services: Services, board: Board, control: ControlPlane, surroundings: Surroundings) -> None:
        self._services = services
        self._config: Config = services.config
        self._board = board
        self._control = control
        self._surroundings = surroundings
        self._host = Host(services.engine, services.home.root)
        self._load = LoadMeter(services.home.root)
        self._deltas = Deltas()
        self._telling = Telling(services.sampler, services.config.usage_seconds)
        self._sequence = 0
        self._failures = 0

    async def beat(self) -> None:
        """Endless."""
        with self._board.watch(current=False) as watch:
            while True:
                watch.clear()
                answer, more = await self._push()
                if answer is None:
                    self._failures += 1
                    # While the control plane does not answer, changes must not turn into a storm of attempts.
                    await asyncio.sleep(min(2.0 ** (self._failures - 1), MAX_BACKOFF_SECONDS))
                    continue
                self._failures = 0
                await _change(watch, DEBOUNCE_SECONDS if more or answer.resend else max(1.0, answer.interval_seconds))

    async def _push(self) -> tuple[HeartbeatAnswer | None, bool]:
        """Send one; returns the answer (None: nobody took it) and whether there is more to tell."""
        self._sequence += 1
        info = await self._host.info()
        delta = self._deltas.compose(self._board.states, self._surroundings.orphans())
        told = self._telling.compose(self._sequence)
        answer = await self._post(self._heartbeat(info, delta, told))
        if answer is None:
            return None, False
        if answer.resend:
            self._deltas.forget()
        else:
            self._deltas.acknowledge(delta, self._sequence)
            self._telling.acknowledge()
        self._surroundings.take(answer.wanted)
        return answer, delta.more or told.more

    def _heartbeat(self, info: HostInfo, delta: Delta, told: Told) -> Heartbeat:
        return Heartbeat(
            wire_version=WIRE_VERSION,
            epoch=self._services.home.epoch,
            sequence=self._sequence,
            revision=self._board.revision,
            sent_at=datetime.now(UTC),
            info=info,
            servers=delta.servers,
            unchanged=delta.unchanged,
            since=delta.since,
            load=self._load.measure(),
            orphans=delta.orphans,
            usage=told.usage,
            usage_first=told.first,
        )

    async def _post(self, heartbeat: Heartbeat) -> HeartbeatAnswer | None:
        try:
            said = await self._control.post(PATH, heartbeat.model_dump_json().encode())
        except NotTaken as refusal:
            if self._failures == 0:
                logger.warning("the control plane does not take heartbeats: %s", refusal)
            if refusal.unrecognised:
                self._surroundings.unrecognised()
            return None
        if self._failures:
            logger.info("the control plane takes heartbeats again")
        try:
            return HeartbeatAnswer.model_validate_json(said)
        except ValidationError:
            return HeartbeatAnswer(interval_seconds=self._config.heartbeat_seconds)


async def _change(watch: Watch, within: float) -> None:
    """Return a moment after a change of any server, so that further ones may join it, or after so many seconds without one."""
    try:
        async with asyncio.timeout(within):
            await watch.change()
    except TimeoutError:
        return
    await asyncio.sleep(DEBOUNCE_SECONDS)
