"""Telling the control plane what is observed: every few seconds, and at once when something changes."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp
from pydantic import ValidationError

from dtma.config import Config
from dtma.observing.board import Board, Watch
from dtma.observing.host import host_info
from dtma.services import Services
from dtma_wire import WIRE_VERSION, Heartbeat, HeartbeatAnswer, ServerState

logger = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 0.05
LIMIT_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 60.0


class Heart:
    """Pushes ``Heartbeat``s. Failing is never fatal: the next one says everything again."""

    def __init__(self, services: Services, board: Board) -> None:
        self._services = services
        self._config: Config = services.config
        self._board = board
        self._sequence = 0
        self._interval = self._config.heartbeat_seconds
        self._failures = 0
        self._acknowledged: dict[str, str] = {}
        """Per server the hash of the tools that the control plane has acknowledged in this epoch."""

    async def beat(self) -> None:
        """Endless; returns at once if there is nobody to tell."""
        if self._config.heartbeat_url is None:
            return
        with self._board.watch(current=False) as watch:
            while True:
                watch.clear()
                delivered = await self._push(self._config.heartbeat_url)
                self._failures = 0 if delivered else self._failures + 1
                wait = self._interval if delivered else min(2.0 ** (self._failures - 1), MAX_BACKOFF_SECONDS)
                # While the control plane does not answer, changes must not turn into a storm of attempts.
                await (_change(watch, wait) if delivered else asyncio.sleep(wait))

    async def _push(self, url: str) -> bool:
        self._sequence += 1
        info = await host_info(self._services.engine, self._services.home.root)
        states = self._board.states
        heartbeat = Heartbeat(
            wire_version=WIRE_VERSION,
            epoch=self._services.home.epoch,
            sequence=self._sequence,
            revision=self._board.revision,
            sent_at=datetime.now(UTC),
            info=info,
            servers=tuple(self._without_known_tools(state) for state in states),
        )
        token = self._config.heartbeat_token
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        try:
            async with self._services.http.post(
                url, data=heartbeat.model_dump_json().encode(), headers=headers, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS)
            ) as response:
                body = await response.read()
                problem = None if response.status < 300 else f"it answered HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        if problem is not None:
            if self._failures == 0:
                logger.warning("the control plane does not take heartbeats: %s", problem)
            return False
        if self._failures:
            logger.info("the control plane takes heartbeats again")
        self._acknowledged = {state.id: state.tools_hash for state in states}
        try:
            self._interval = max(1.0, HeartbeatAnswer.model_validate_json(body).interval_seconds)
        except ValidationError:
            self._interval = self._config.heartbeat_seconds
        return True

    def _without_known_tools(self, state: ServerState) -> ServerState:
        if state.tools is None or self._acknowledged.get(state.id) != state.tools_hash:
            return state
        return state.model_copy(update={"tools": None})


async def _change(watch: Watch, within: float) -> None:
    """Return a moment after a change of any server, so that further ones may join it, or after so many seconds without one."""
    try:
        async with asyncio.timeout(within):
            await watch.change()
    except TimeoutError:
        return
    await asyncio.sleep(DEBOUNCE_SECONDS)
