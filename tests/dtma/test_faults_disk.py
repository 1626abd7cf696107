"""Full disks: DTMA's own, and the engine's. Nothing is accepted that is not stored, and what runs goes on."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from dtma_client import DiskFull, DtmaClient, ServerNotFound
from dtma_wire import Phase, PypiPackage, ServerSpec
from tests.dtma.agent import Agent, deploy, eventually, ready, say, spec_of
from tests.dtma.own_engine import OwnEngine, own_engine_with

FULL = "The disk of this toolbox is full: make room and try again."
MEGABYTE = 1024 * 1024


def fill(disk: Path) -> Path:
    """Leave no room at all; returns the file to remove for it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            while _fits(file, b"x" * size):
                pass
    return ballast


def _fits(file: FileIO, data: bytes) -> bool:
    try:
        file.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4 * MEGABYTE}", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def cramped(small_disk: Path, toolbox: str) -> Iterator[Agent]:
    """A DTMA whose home is on a small disk."""
    agent = Agent(small_disk / "dtma", toolbox).start()
    yield agent
    agent.stop()


async def test_the_disk_of_dtma_is_full(cramped: Agent, small_disk: Path, image: str, server_id: str) -> None:
    one, other, doomed = (f"{server_id}-{name}" for name in ("one", "other", "doomed"))
    async with DtmaClient(cramped.endpoint) as client:
        before = await ready(client, one, spec_of(image, "workshop"))
        await ready(client, doomed, spec_of(image, "workshop"))
        ballast = fill(small_disk)

        # Nothing is accepted, and nothing changes.
        with pytest.raises(DiskFull, match=FULL):
            await deploy(client, other, spec_of(image, "workshop"))
        with pytest.raises(ServerNotFound):
            await client.server(other)
        with pytest.raises(DiskFull, match=FULL):
            await deploy(client, one, spec_of(image, "workshop", "changed", generation=2))
        assert (await client.server(one)).revision == before.revision

        # What runs goes on, though its log cannot be written.
        assert await say(client, one, "echo", text="still here") == "still here"
        await say(client, one, "shout", text="unheard", count=100)

        # What needs hardly any room, or makes some, is done: DTMA starts again, a server is stopped, another one deleted.
        cramped.kill()
        cramped.start()

        async def found() -> bool:
            return (await client.server(one)).phase is Phase.RUNNING

        await eventually(found)
        assert (await client.server(one)).container == before.container
        assert (await client.stop(one, generation=3)).phase is Phase.STOPPED
        assert (await client.delete(doomed)).phase is Phase.ABSENT

        ballast.unlink()
        state = await ready(client, one, spec_of(image, "workshop", generation=4))
        assert await say(client, one, "shout", text="heard") != ""
        await ready(client, other, spec_of(image, "workshop"))
        printed = [line.text async for batch in client.logs(one) for line in batch]
        assert "heard 0" in printed
        cramped.kill()
        cramped.start()
        await eventually(found)
        assert ((await client.server(one)).container, (await client.server(one)).generation) == (state.container, 4)


@pytest.fixture(scope="module")
def small_engine(image: str) -> Iterator[OwnEngine]:
    """An engine whose disk has little more room than its images need, those to build on among them."""
    listed = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=agentopia/base-python"]
    bases = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    with own_engine_with(image, "debian:bookworm-slim", *bases, disk_bytes=1200 * MEGABYTE) as own:
        yield own


async def test_the_disk_of_the_engine_is_full(
    small_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str
) -> None:
    one, other, built = (f"{server_id}-{name}" for name in ("one", "other", "built"))
    agent = make_agent(docker_url=small_engine.url).start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, one, spec_of(image, "workshop"))
        ballast = fill(small_engine.disk)

        _, settled = await deploy(client, other, spec_of(image, "workshop"))
        assert not settled.ready
        assert settled.server.reason.startswith(FULL)
        assert "no space left on device" in settled.server.reason
        package = PypiPackage(name="mcp-server-time", version="2026.10.19", requires=(f"six!=0.{os.getpid()}",))
        _, settled = await deploy(client, built, ServerSpec(generation=1, name="time", source=package))
        assert not settled.ready
        assert FULL in settled.server.reason
        assert await say(client, one, "echo", text="still here") == "still here"
        assert (await client.server(one)).container == before.container

        ballast.unlink()
        await ready(client, other, spec_of(image, "workshop"))
        assert len(small_engine.containers(other)) == 1
        for server in (one, other, built):
            await client.delete(server)
