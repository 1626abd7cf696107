"""The official conformance suite through DTMA: a server that passes it directly passes it behind DTMA, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from dtma.builds import Builder
from dtma.engine import Engine
from dtma_client import DtmaClient
from dtma_wire import HttpTransport, PypiPackage, ServerSpec, StdioTransport
from tests.conformance.front import as_control_plane
from tests.conformance.suite import installed, judge
from tests.dtma.agent import ENGINE_URL, ROOT, Agent, ready, spec_of
from tests.dtma.conftest import client, engine, server_id, toolbox

__all__ = ["client", "engine", "server_id", "toolbox"]

FOLDER = Path(__file__).parent
SCORED = {"2025-11-25": 30, "2026-07-28": 37}
PORT = 3000

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("conformance")]


@pytest.fixture(scope="module")
def everything(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with ``everything.py`` on the SDK, as DTMA itself builds it."""

    async def sdk() -> str:
        own = Engine(ENGINE_URL)
        try:
            builder = Builder(own, tmp_path_factory.mktemp("builder"))
            package = PypiPackage(name="mcp", version="2.3.0")
            return (await builder.image(package, lambda detail, fraction: None, server="conformance", generation=1)).reference
        finally:
            await own.close()

    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name in ("Dockerfile", "everything.py"):
            archive.add(FOLDER / name, name)
    context.seek(0)
    tag = f"agentopia-test/everything:{uuid.uuid4().hex[:12]}"
    engine.images.build(fileobj=context, custom_context=True, tag=tag, buildargs={"BASE": asyncio.run(sdk())}, rm=True)
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture(scope="module")
def agent(toolbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A DTMA with patience: a server that takes long to say that it speaks an era would be translated, and that is not what is judged."""
    agent = Agent(tmp_path_factory.mktemp("dtma"), toolbox, handshake_seconds=60).start()
    yield agent
    agent.stop()


@pytest.fixture(scope="module")
def suite() -> Path:
    folder = Path(os.environ.get("AGENTOPIA_HOME", ROOT / "var")) / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return installed(folder)


def over(transport: str, image: str) -> ServerSpec:
    if transport == "stdio":
        return spec_of(image, "everything", "--stdio", transport=StdioTransport())
    return spec_of(image, "everything", "--http", str(PORT), "--bind", "0.0.0.0", transport=HttpTransport(port=PORT))  # noqa: S104


@pytest.mark.parametrize("revision", SCORED)
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_every_scored_scenario_passes(
    agent: Agent, client: DtmaClient, server_id: str, everything: str, suite: Path, tmp_path: Path, transport: str, revision: str
) -> None:
    await ready(client, server_id, over(transport, everything))
    async with as_control_plane(f"{agent.url}/v1/servers/{server_id}/mcp") as url:
        verdict = await judge(suite, url, revision, tmp_path)
    assert not verdict.failed, verdict.output[-20_000:]
    assert len(verdict.passed) == SCORED[revision], verdict.output[-5_000:]
