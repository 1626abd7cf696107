"""Telling the control plane what is observed: every few seconds, and at once when something changes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime

import aiohttp
from pydantic import ValidationError

from dtma.config import Config
from dtma.observing.board import Board, Watch
from dtma.observing.deltas import Delta, Deltas
from dtma.observing.host import Host
from dtma.services import Services
from dtma_wire import WIRE_VERSION, Heartbeat, HeartbeatAnswer, HostInfo

logger = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 0.05
LIMIT_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 60.0


class Heart:
    """Pushes ``Heartbeat``s. Failing is never fatal: the next one says again what was not acknowledged."""

    def __init__(self, services: Services, board: Board) -> None:
        self._services = services
        self._config: Config = services.config
        self._board = board
        self._host = Host(services.engine, services.home.root)
        self._deltas = Deltas()
        self._sequence = 0
        self._failures = 0
        # aiohttp's own context trusts nobody here (see ``lean``).
        self._trust = ssl.create_default_context() if (self._config.heartbeat_url or "").startswith("https:") else True

    async def beat(self) -> None:
        """Endless; returns at once if there is nobody to tell."""
        if self._config.heartbeat_url is None:
            return
        with self._board.watch(current=False) as watch:
            while True:
                watch.clear()
                answer, more = await self._push(self._config.heartbeat_url)
                if answer is None:
                    self._failures += 1
                    # While the control plane does not answer, changes must not turn into a storm of attempts.
                    await asyncio.sleep(min(2.0 ** (self._failures - 1), MAX_BACKOFF_SECONDS))
                    continue
                self._failures = 0
                await _change(watch, DEBOUNCE_SECONDS if more or answer.resend else max(1.0, answer.interval_seconds))

    async def _push(self, url: str) -> tuple[HeartbeatAnswer | None, bool]:
        """Send one; returns the answer (None: nobody took it) and whether there is more to tell."""
        self._sequence += 1
        info = await self._host.info()
        delta = self._deltas.compose(self._board.states)
        answer = await self._post(url, self._heartbeat(info, delta))
        if answer is None:
            return None, False
        if answer.resend:
            self._deltas.forget()
        else:
            self._deltas.acknowledge(delta, self._sequence)
        return answer, delta.more

    def _heartbeat(self, info: HostInfo, delta: Delta) -> Heartbeat:
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
        )

    async def _post(self, url: str, heartbeat: Heartbeat) -> HeartbeatAnswer | None:
        headers = {"Content-Type": "application/json"}
        if self._config.heartbeat_token is not None:
            headers["Authorization"] = f"Bearer {self._config.heartbeat_token.get_secret_value()}"
        limit = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
        body = heartbeat.model_dump_json().encode()
        try:
            async with self._services.http.post(url, data=body, headers=headers, timeout=limit, ssl=self._trust) as response:
                said = await response.read()
                problem = None if response.status < 300 else f"it answered HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        if problem is not None:
            if self._failures == 0:
                logger.warning("the control plane does not take heartbeats: %s", problem)
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
