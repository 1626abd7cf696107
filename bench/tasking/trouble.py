"""What is done to a server while a run uses it.

Its processes are stopped before the run begins, so that its first call is under way for certain when the container is killed, or when the
processes go on after a while.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiodocker

from bench.tasking.modes import CRASH, SLOW, Mode
from dtma.labels import LABEL_SERVER

UNDER_WAY_SECONDS = 0.5
SLOW_SECONDS = 5.0


class Trouble:
    """For one run, and one server."""

    def __init__(self, engine: aiodocker.Docker, name: str, server_id: str, mode: Mode) -> None:
        self._engine = engine
        self._name = name
        self._server = server_id
        self._mode = mode
        self._task: asyncio.Task[None] | None = None
        self.happened = False

    async def __aenter__(self) -> Trouble:
        if self._mode.server:
            await self._signal("STOP")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await self._task
        elif self._mode.server:
            await self._signal("CONT")

    def heard(self, event: dict[str, Any]) -> None:
        """Look at an event of the run: the first call of the server sets it off."""
        running = event["kind"] == "tool.running" and event["data"]["server"] == self._name
        if running and self._mode.server and self._task is None:
            self._task = asyncio.create_task(self._happen())

    async def _happen(self) -> None:
        self.happened = True
        if SLOW in self._mode.server:
            await asyncio.sleep(SLOW_SECONDS)
        if CRASH in self._mode.server:
            await asyncio.sleep(UNDER_WAY_SECONDS)
            for container in await self._containers():
                await container.kill()
        else:
            await self._signal("CONT")

    async def _signal(self, name: str) -> None:
        """Send it to all processes of the containers but the first, which starts them; the engine does not notice."""
        for container in await self._containers():
            execution = await container.exec(["sh", "-c", f"kill -{name} -1"])
            async with execution.start() as stream:
                while await stream.read_out():
                    pass

    async def _containers(self) -> list[Any]:
        return await self._engine.containers.list(filters={"label": [f"{LABEL_SERVER}={self._server}"]})
