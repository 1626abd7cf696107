"""The DTMA that is measured: a process of its own on this machine's engine, with the servers of ``bench/servers``."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiodocker
import docker

from dtma.builds import Builder
from dtma.engine import Engine
from dtma.labels import LABEL_SERVER, LABEL_TOOLBOX
from dtma_client import DtmaClient
from dtma_wire import OciImage, PypiPackage, ServerSpec, ServerState
from tests.dtma.agent import ENGINE_URL, Agent, ready

FOLDER = Path(__file__).parent / "servers"
IMAGE = "agentopia-bench/servers:1"
SDK = PypiPackage(name="mcp", version="2.3.0")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Toolbox:
    """A running DTMA and a client of it."""

    agent: Agent
    client: DtmaClient
    engine: aiodocker.Docker

    @property
    def pid(self) -> int:
        """The process that is measured."""
        assert self.agent.process is not None
        return self.agent.process.pid

    @property
    def cpu_seconds(self) -> float:
        """User and system time that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss_mb(self) -> float:
        """Its resident memory, libraries included."""
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    @property
    def threads(self) -> int:
        """How many it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    async def run(self, server_id: str, *arguments: str, **changes: Any) -> ServerState:
        """Bring up a server of ``bench/servers``."""
        return await ready(self.client, server_id, spec(server_id, *arguments, **changes))

    async def address(self, server_id: str) -> str:
        """Where a server's container is, on the bridge that DTMA made for it."""
        (container,) = await self.engine.containers.list(
            filters={"label": [f"{LABEL_TOOLBOX}={self.agent.toolbox}", f"{LABEL_SERVER}={server_id}"]}
        )
        networks = (await container.show())["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])


def spec(name: str, *arguments: str, **changes: Any) -> ServerSpec:
    """A server of ``bench/servers``."""
    return ServerSpec(generation=1, name=name, source=OciImage(reference=IMAGE), arguments=arguments, **changes)


@asynccontextmanager
async def running_dtma(**config: Any) -> AsyncIterator[Toolbox]:
    """A DTMA with a home of its own; whatever it made on the engine is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-dtma-") as folder:
        await _build(Path(folder))
        agent = Agent(Path(folder) / "home", f"bench-{uuid.uuid4().hex[:12]}", handshake_seconds=120, **config)
        engine = aiodocker.Docker(ENGINE_URL)
        try:
            await asyncio.to_thread(agent.start)
            async with DtmaClient(agent.endpoint) as client:
                yield Toolbox(agent, client, engine)
        finally:
            if agent.process is not None:
                await asyncio.to_thread(agent.stop)
            await _clear(engine, agent.toolbox)
            await engine.close()


async def _build(home: Path) -> None:
    """The image of all servers; nothing is to be done where it is there already."""
    engine = Engine(ENGINE_URL)
    try:
        base = await Builder(engine, home).image(SDK, lambda detail, fraction: None, server="bench", generation=1)
    finally:
        await engine.close()
    client = docker.DockerClient(base_url=ENGINE_URL)
    try:
        await asyncio.to_thread(client.images.build, path=str(FOLDER), tag=IMAGE, buildargs={"BASE": base.reference}, rm=True)
    finally:
        client.close()


async def _clear(engine: aiodocker.Docker, toolbox: str) -> None:
    label = {"label": [f"{LABEL_TOOLBOX}={toolbox}"]}
    for container in await engine.containers.list(all=True, filters=label):
        await container.delete(force=True, v=True)
    for network in await engine.networks.list(filters=label):
        await (await engine.networks.get(network["Id"])).delete()
