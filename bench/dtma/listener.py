"""Whoever DTMA sends its heartbeats to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from dtma_wire import Heartbeat, HeartbeatAnswer
from tests.dtma.agent import free_port
from tests.dtma.authority import authority

INTERVAL_SECONDS = 15
LIMIT_SECONDS = 60


class Listener:
    """Takes heartbeats like the control plane and remembers how long they were."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard: list[tuple[Heartbeat, int]] = []
        self._resend = False
        self._arrived = asyncio.Event()

    @property
    def url(self) -> str:
        """For ``config.json``."""
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve for as long as the block lasts."""
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/dtma/v1/heartbeat", self._take)
        runner = web.AppRunner(app, keepalive_timeout=75)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=authority().server()).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def complete(self) -> list[int]:
        """Ask for everything; returns the lengths of the heartbeats that say it."""
        self._resend = True
        said: list[int] = []
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                heartbeat, size = await self._next()
                if heartbeat.since == 0 and not self._resend:
                    said = [size]
                elif said and heartbeat.servers:
                    said.append(size)
                elif said:
                    return said

    async def steady(self) -> int:
        """The length of the next heartbeat in which no server changed."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                heartbeat, size = await self._next()
                if not heartbeat.servers:
                    return size

    async def _next(self) -> tuple[Heartbeat, int]:
        self._arrived.clear()
        await self._arrived.wait()
        return self.heard[-1]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        answer = HeartbeatAnswer(interval_seconds=INTERVAL_SECONDS, resend=self._resend)
        self._resend = False
        self.heard.append((Heartbeat.model_validate_json(body), len(body)))
        self._arrived.set()
        return web.Response(text=answer.model_dump_json())
