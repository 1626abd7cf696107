"""The container engine, thinly over aiodocker: what DTMA needs of it, and its failures as DTMA's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiodocker
import aiohttp

from dtma.engine.containers import Containers
from dtma.engine.failures import LIMIT_SECONDS, EngineRefused, failures
from dtma.engine.images import Images
from dtma.engine.networks import Networks
from dtma.engine.volumes import Volumes
from dtma.errors import EngineUnavailable
from dtma.labels import LABEL_TOOLBOX

CONNECT_SECONDS = 5.0
PROBE_SECONDS = 3.0
RETRY_SECONDS = 0.5
EVENTS = ("create", "destroy", "die", "health_status", "oom", "pause", "start", "unpause")


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says of itself. ``problem`` is a sentence where it must not be used."""

    version: str
    isolation: tuple[str, ...]
    problem: str


class Engine:
    """One connection pool to one engine. Every method raises ``EngineUnavailable`` or ``EngineRefused``."""

    def __init__(self, url: str) -> None:
        self.url = url
        connector: aiohttp.BaseConnector
        # Every attach stream holds a connection for as long as its server lives, so the pool must have no limit.
        if url.startswith("unix://"):
            connector = aiohttp.UnixConnector(path=url.removeprefix("unix://"), limit=0)
            url = "unix://localhost"  # aiodocker builds addresses from it; the connector knows the path
        else:
            connector = aiohttp.TCPConnector(limit=0)
        self._connector = connector
        limits = aiohttp.ClientTimeout(total=LIMIT_SECONDS, sock_connect=CONNECT_SECONDS)
        self._docker = aiodocker.Docker(url=url, connector=connector, timeout=limits)
        self.images = Images(self._docker)
        self.containers = Containers(self._docker)
        self.networks = Networks(self._docker)
        self.volumes = Volumes(self._docker, self.containers)

    async def close(self) -> None:
        """Close all connections; containers are not touched."""
        await self._docker.close()
        await self._connector.close()

    # --- the engine itself ---

    async def facts(self) -> EngineFacts:
        """Its version and the isolation that it can give."""
        with failures():
            async with asyncio.timeout(PROBE_SECONDS):
                version = await self._docker.version()
                info = await self._docker.system.info()
        options = {part.removeprefix("name=").split(",")[0] for part in info.get("SecurityOptions") or ()}
        runtimes = {"gvisor"} if "runsc" in (info.get("Runtimes") or {}) else set()
        problem = ""
        if "rootless" in options:
            problem = "Rootless Docker does not enforce memory and process limits, so no server is started on it. Use a rootful engine."
        return EngineFacts(version["Version"], tuple(sorted(options | runtimes)), problem)

    async def answers(self) -> bool:
        """Whether it can be reached right now."""
        try:
            with failures():
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._docker.version()
        except (EngineUnavailable, EngineRefused):
            return False
        return True

    async def goes_away(self, within: float) -> bool:
        """Whether it stops answering within so many seconds."""
        end = asyncio.get_running_loop().time() + within
        while await self.answers():
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(RETRY_SECONDS / 5)
        return True

    async def wait_until_available(self) -> None:
        """Return once it answers."""
        while True:
            if await self.answers():
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def events(self, toolbox: str) -> AsyncIterator[dict[str, Any]]:
        """Events of this toolbox's containers, until the connection ends; then raises ``EngineUnavailable``."""
        filters = json.dumps({"type": ["container"], "event": EVENTS, "label": [f"{LABEL_TOOLBOX}={toolbox}"]})
        channel = self._docker.events.subscribe(create_task=False)
        listening = asyncio.create_task(self._docker.events.run(filters=filters))
        try:
            while (event := await channel.get()) is not None:
                yield event
            with failures():
                await listening
        except ValueError as error:  # cut off in the middle of an event
            raise EngineUnavailable("the stream of its events broke off") from error
        finally:
            listening.cancel()
        raise EngineUnavailable("the stream of its events ended")
