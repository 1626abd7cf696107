"""One DTMA for all tests here that do not kill it, a new one for each that does; nothing of theirs stays on the engine."""

from __future__ import annotations

import asyncio
import io
import shutil
import tarfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import docker
import httpx2
import pytest
from docker import DockerClient

from dtma.builds import Builder
from dtma.engine import Engine
from dtma.isolation import secret_files
from dtma.isolation.firewall import Firewall
from dtma.labels import LABEL_TOOLBOX
from dtma_client import DtmaClient
from dtma_wire import PypiPackage
from tests.dtma.agent import ENGINE_URL, Agent, ready, spec_of
from tests.dtma.authority import any_toolbox
from tests.dtma.cleaning import remove_servers
from tests.dtma.mcp_raw import http_to

SERVERS = Path(__file__).parent / "servers"


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The real engine, to look at what DTMA did."""
    client = docker.DockerClient(base_url=ENGINE_URL)
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def toolbox(engine: DockerClient) -> Iterator[str]:
    """The id of a toolbox of this test run alone."""
    with own_toolbox(engine) as toolbox:
        yield toolbox


@contextmanager
def own_toolbox(engine: DockerClient, toolbox: str = "") -> Iterator[str]:
    """The id of a toolbox; all that is labelled with it is removed at the end."""
    toolbox = toolbox or f"test-{uuid.uuid4().hex[:12]}"
    yield toolbox
    label = {"filters": {"label": f"{LABEL_TOOLBOX}={toolbox}"}}
    for container in engine.containers.list(all=True, **label):
        container.remove(force=True, v=True)
    for network in engine.networks.list(**label):
        network.remove()
    for volume in engine.volumes.list(**label):
        volume.remove(force=True)
    asyncio.run(Firewall(toolbox, lambda: ()).apply())
    for place in secret_files._PLACES:
        shutil.rmtree(place / secret_files._name(toolbox), ignore_errors=True)


@pytest.fixture(scope="session")
def image(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with all of ``servers/`` in it, on the Python base as DTMA itself builds it."""

    async def base() -> str:
        home = tmp_path_factory.mktemp("builder")
        own = Engine(ENGINE_URL)
        try:
            return (await Builder(own, home).base("python", lambda detail, fraction: None)).reference
        finally:
            await own.close()

    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path in SERVERS.iterdir():
            if path.is_file():
                archive.add(path, path.name)
    context.seek(0)
    tag = f"agentopia-test/servers:{uuid.uuid4().hex[:12]}"
    engine.images.build(fileobj=context, custom_context=True, tag=tag, buildargs={"BASE": asyncio.run(base())}, rm=True)
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture(scope="session")
def http_image(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with ``servers/http/`` in it, on the official SDK as DTMA itself installs it."""

    async def base() -> str:
        home = tmp_path_factory.mktemp("builder")
        own = Engine(ENGINE_URL)
        try:
            sdk = PypiPackage(name="mcp", version="2.3.0")
            return (await Builder(own, home).image(sdk, lambda detail, fraction: None, server="sdk", generation=1)).reference
        finally:
            await own.close()

    tag = f"agentopia-test/http-servers:{uuid.uuid4().hex[:12]}"
    engine.images.build(path=str(SERVERS / "http"), tag=tag, buildargs={"BASE": asyncio.run(base())}, rm=True)
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture(scope="session")
def agent(toolbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The shared DTMA. Do not kill it."""
    agent = Agent(tmp_path_factory.mktemp("dtma"), toolbox).start()
    yield agent
    agent.stop()


@pytest.fixture
def make_agent(toolbox: str, tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Makes DTMAs that a test may kill."""
    agents: list[Agent] = []

    def make(**config: Any) -> Agent:
        agent = Agent(tmp_path / f"dtma-{len(agents)}", toolbox, **config)
        agents.append(agent)
        return agent

    yield make
    for agent in agents:
        if agent.process is not None:
            agent.stop()


@pytest.fixture
async def client(agent: Agent) -> AsyncIterator[DtmaClient]:
    """A client of the shared DTMA."""
    async with DtmaClient(agent.endpoint) as client:
        yield client


@pytest.fixture
async def older(client: DtmaClient, image: str, server_id: str) -> str:
    """The id of a running server of the handshake era."""
    await ready(client, server_id, spec_of(image, "older"))
    return server_id


@pytest.fixture
async def http(agent: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    """For clients of the shared DTMA that speak MCP by hand."""
    async with http_to(agent) as http:
        yield http


@pytest.fixture
def server_id() -> str:
    """An id that no other test has, and what the ids of all its servers begin with."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def servers_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test's servers end with it, after the DTMAs that were made for it: else hundreds would run at last, and slow the engine."""
    yield
    used = getattr(request.node, "funcargs", {})
    if "server_id" in used and "agent" in used:
        remove_from(used["agent"], used["server_id"])
    elif "server_id" in used and "engine" in used:
        remove_servers(used["engine"], used["server_id"])


def remove_from(agent: Agent, mark: str) -> None:
    """Delete the servers whose ids begin with ``mark``, with their data. One that cannot be is removed with the toolbox."""
    with suppress(httpx2.HTTPError), httpx2.Client(base_url=agent.url, verify=any_toolbox(), timeout=30) as http:
        for server in http.get("/v1/servers").json():
            if server["id"].startswith(mark):
                http.delete(f"/v1/servers/{server['id']}", params={"volumes": "remove"})
