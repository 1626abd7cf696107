"""A whole Agentopia with the upstreams deployed as servers, an agent that holds them, and its token; all made over REST."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiodocker
import docker
import psutil

from bench.gateway.client import Way
from bench.measured import Api, fresh_agentopia
from bench.toolbox import SDK
from dtma.builds import Builder
from dtma.engine import Engine
from dtma.labels import LABEL_SERVER
from tests.dtma.agent import ENGINE_URL

UPSTREAM = Path(__file__).parent / "upstream"
IMAGE = "agentopia-bench/gateway:1"
PORT = 8000
MANY = 1000
QUIET_SECONDS, QUIET_SHARE, QUIET_WITHIN_SECONDS = 2.0, 0.1, 180.0
SERVERS = {
    # name: the arguments of `upstream/start.py`
    "stdio": ("sdk", "stdio", "10"),
    "sdk": ("sdk", "http", "10"),
    "lean": ("lean", "http", "10"),
    "many": ("sdk", "http", str(MANY)),
}


@dataclass(frozen=True)
class Deployed:
    """What is measured. ``through`` and ``direct`` are by a server's name; ``whole`` is the agent with all but the many tools."""

    api: Api
    direct: dict[str, Way]
    through: dict[str, Way]
    whole: Way
    many: Way

    @property
    def web(self) -> Part:
        """The web process as it is now."""
        return self.part("web")

    def part(self, name: str) -> Part:
        """One of the processes that `make run` has started."""
        return Part(psutil.Process(self.api.stack.process(name)))

    def used(self) -> dict[str, float]:
        """CPU seconds so far, by what a call goes through."""
        return {name: self.part(name).cpu_seconds for name in ("web", "dtma", "postgres", "worker")}


@dataclass(frozen=True)
class Part:
    """A process with its children."""

    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """Of those that are there, and of children that have ended."""
        used = 0.0
        for each in self._all():
            with suppress(psutil.NoSuchProcess):  # its parent has taken its times over
                times = each.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
        return used

    @property
    def memory_mb(self) -> float:
        """What belongs to it alone, with its part of what it shares (PSS)."""
        return float(sum(each.memory_full_info().pss for each in self._all()) / 2**20)

    def _all(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@asynccontextmanager
async def deployed() -> AsyncIterator[Deployed]:
    """Started for this, and gone afterwards with all that it made."""
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
        await _build(Path(folder))
    async with fresh_agentopia() as api:
        ids = {name: await _deploy(api, name, arguments) for name, arguments in SERVERS.items()}
        try:
            on = await _connected(api, ids)
            await _until_quiet(on)
            yield on
        finally:
            for server in ids.values():
                await api.gone(server)


async def _until_quiet(on: Deployed) -> None:
    """Until the worker has read the new tools for the selection, which keeps a processor busy for some seconds."""
    async with asyncio.timeout(QUIET_WITHIN_SECONDS):
        while True:
            before = on.part("worker").cpu_seconds
            await asyncio.sleep(QUIET_SECONDS)
            if on.part("worker").cpu_seconds - before < QUIET_SHARE * QUIET_SECONDS:
                return


async def _build(home: Path) -> None:
    """The image of the upstreams; nothing is to be done where it is there already."""
    engine = Engine(ENGINE_URL)
    try:
        base = await Builder(engine, home).image(SDK, lambda detail, fraction: None, server="bench", generation=1)
    finally:
        await engine.close()
    client = docker.DockerClient(base_url=ENGINE_URL)
    try:
        await asyncio.to_thread(client.images.build, path=str(UPSTREAM), tag=IMAGE, buildargs={"BASE": base.reference}, rm=True)
    finally:
        client.close()


async def _deploy(api: Api, name: str, arguments: tuple[str, ...]) -> str:
    transport: dict[str, Any] = {"type": "stdio"}
    if arguments[1] == "http":
        transport = {"type": "streamable-http", "url": f"http://127.0.0.1:{PORT}/mcp"}
    package = {
        "registryType": "oci",
        "identifier": IMAGE,
        "transport": transport,
        "packageArguments": [{"type": "positional", "value": argument} for argument in ("/opt/mcp/run", *arguments)],
    }
    document = {"name": f"org.example/b{uuid4().hex[:10]}", "description": "For a bench.", "version": "1.0.0", "packages": [package]}
    entry = await api.ask("POST", "catalog/", document)
    server = await api.ask("POST", "servers/", {"entry": entry["id"], "name": name})
    settled = await api.settled(server["id"])
    assert settled["status"] == "running", settled
    return str(server["id"])


async def _connected(api: Api, ids: dict[str, str]) -> Deployed:
    whole, many = await _agent(api, "whole"), await _agent(api, "many")
    for name, server in ids.items():
        await api.ask(
            "POST", f"agents/{(many if name == 'many' else whole)['id']}/grants/", {"server": server, "tools": "all", "approval": "never"}
        )
    agents = [whole["id"], many["id"]]
    token = (await api.ask("POST", "tokens/", {"name": "bench", "agents": agents}))["token"]
    headers, base = {"Authorization": f"Bearer {token}"}, f"{api.stack.url}/mcp"
    return Deployed(
        api,
        direct={name: Way(f"{name} directly", f"http://{await _address(ids[name])}:{PORT}/mcp") for name in ("sdk", "lean", "many")},
        through={
            name: Way(f"{name} through the gateway", f"{base}/{'many' if name == 'many' else 'whole'}/{name}", headers) for name in ids
        },
        whole=Way("the whole agent", f"{base}/whole", headers, prefix="sdk__"),
        many=Way("an agent of many tools", f"{base}/many", headers, prefix="many__"),
    )


async def _agent(api: Api, name: str) -> Any:
    agent = await api.ask("POST", "agents/", {"name": name, "instructions": "", "model": ""})
    assert agent["slug"] == name
    return agent


async def _address(server_id: str) -> str:
    """Where a server's container is, on the bridge that DTMA made for it."""
    async with aiodocker.Docker(ENGINE_URL) as engine:
        (container,) = await engine.containers.list(filters={"label": [f"{LABEL_SERVER}={server_id}"]})
        networks = (await container.show())["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])
