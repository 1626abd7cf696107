"""Images that nobody uses go, by age and when the disk is nearly full. On an engine of the test's own, which has no network.

Others work on the shared engine, and what no server of this test names may well be theirs.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from dtma_client import DtmaClient
from dtma_wire import NugetPackage, OciImage, PypiPackage, ServerSpec
from tests.dtma.agent import Agent, deploy, ready, spec_of, until
from tests.dtma.cleaning import remove_servers
from tests.dtma.nuget_feed import serving, settings, tool_package
from tests.dtma.own_engine import OwnEngine, own_engine_with
from tests.dtma.registry import running_registry

SECONDS = 1 / 86_400
"""In days."""
QUICK = {"handshake_seconds": 60, "image_days": 3 * SECONDS, "collect_seconds": 0.2}
MEGABYTE = 1_000_000
DISK_BYTES = 1200 * MEGABYTE
NAME = "agentopia/server:{:032x}"


@pytest.fixture(scope="module")
def small(image: str) -> Iterator[OwnEngine]:
    with own_engine_with(image, disk_bytes=DISK_BYTES) as small:
        yield small


def run(small: OwnEngine, *command: str) -> None:
    """A command of Docker's own client, one that has BuildKit."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "PATH": f"/usr/bin:{os.environ['PATH']}"}
    subprocess.run(["docker", "--host", small.url, *command], check=True, capture_output=True, env=environment)


def percent_used(small: OwnEngine) -> float:
    found = os.statvfs(small.disk)
    return 100 * (found.f_blocks - found.f_bfree) / found.f_blocks


@pytest.fixture(scope="module")
def inside(small: OwnEngine) -> list[str]:
    """What begins a command that shall see the loopback that this engine sees."""
    pid = next(process.pid for process in psutil.process_iter() if process.name() == "dockerd" and small.url in process.cmdline())
    begin = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
    subprocess.run([*begin, "ip", "link", "set", "lo", "up"], check=True)
    return begin


@pytest.fixture
def own(small: OwnEngine, image: str) -> Iterator[DockerClient]:
    """A client of it. Every test begins with one image that is no business of DTMA's, and servers in it."""
    with small.client() as client:
        yield client
        for container in client.containers.list(all=True):
            container.remove(force=True)
        kept = client.images.get(image).id
        for found in client.images.list():
            if found.id != kept:
                client.images.remove(str(found.id), force=True)
        client.api.prune_builds()


def make(own: DockerClient, name: str, size: int = 1000, base: str = "scratch", **labels: str) -> str:
    """An image with something in it; returns its id."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path, content in (("Dockerfile", f"FROM {base}\nCOPY noise /noise\n".encode()), ("noise", os.urandom(size))):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    return str(own.images.build(fileobj=context, custom_context=True, tag=name, rm=True, labels=labels)[0].id)


def has(own: DockerClient, name: str) -> bool:
    try:
        own.images.get(name)
    except ImageNotFound:
        return False
    return True


def passed(own: DockerClient) -> None:
    """Wait until everything that is old enough by now has been collected."""
    name = NAME.format(time.monotonic_ns())
    make(own, name)
    until(lambda: not has(own, name), 30)


def remembered(agent: Agent, ages: dict[str, float]) -> None:
    """What a DTMA that has run for some time knows: which image it built, and how many days ago it was used."""
    images = {image: {"used": time.time() - days * 86_400, "built": True} for image, days in ages.items()}
    (agent.home / "images.json").write_text(json.dumps({"images": images}))


async def test_what_no_server_names_goes_and_nothing_else(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent], client: DtmaClient, engine: DockerClient, server_id: str
) -> None:
    """A server out of PyPI, built on the shared engine: with its image and its base at hand, nothing is left to build here."""
    source = PypiPackage(name="mcp-server-time", version="2026.10.19", requires=("mcp<3",))
    spec = ServerSpec(generation=1, name="time", source=source)
    there = await ready(client, server_id, spec)
    base = engine.images.get(there.image).labels["org.opencontainers.image.base.name"]
    small.load("debian:bookworm-slim", base, there.image)
    strange = make(own, "somebody/else:1")
    derived = make(own, "somebody/derived:1", base=there.image)

    agent = make_agent(docker_url=small.url, **QUICK).start()
    async with DtmaClient(agent.endpoint) as mine:
        assert (await ready(mine, server_id, spec)).image == there.image
        await mine.stop(server_id)
        passed(own)
        assert has(own, there.image)
        await mine.start(server_id)
        other = ServerSpec(generation=2, name="time", source=OciImage(reference="somebody/derived:1"), arguments=("/opt/mcp/run",))
        await ready(mine, server_id, other)
        until(lambda: not has(own, there.image), 30)
        passed(own)
        # Nothing stands on the base any more, but the next server may; what others made is never touched.
        assert all(has(own, name) for name in (base, "debian:bookworm-slim", strange, derived))
        await mine.delete(server_id)
        passed(own)
        assert has(own, derived)
    remove_servers(engine, server_id)


async def test_an_image_that_any_container_has_stays(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent], image: str
) -> None:
    """Even one that is not running, and no matter whose."""
    name = NAME.format(1)
    make(own, name, base=image)
    container = own.containers.create(name, ["python"])
    make_agent(docker_url=small.url, **QUICK).start()
    passed(own)
    assert has(own, name)
    container.remove()
    until(lambda: not has(own, name), 30)


async def test_an_image_that_lost_its_name_goes_at_once(small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent]) -> None:
    ours, others = make(own, NAME.format(2)), make(own, "somebody/else:2")
    make(own, NAME.format(2))
    make(own, "somebody/else:2")
    agent = make_agent(docker_url=small.url, collect_seconds=0.2)
    remembered(agent, {ours: 0})
    agent.start()
    until(lambda: not has(own, ours), 30)
    assert has(own, others)
    assert has(own, NAME.format(2))


async def test_a_pulled_image_goes_and_one_that_was_there_does_not(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent], image: str, inside: list[str], tmp_path: Path, server_id: str
) -> None:
    with running_registry(tmp_path, inside) as registry:
        pulled, brought = (f"{registry.address}/{name}:1" for name in ("pulled", "brought"))
        for name in (pulled, brought):
            make(own, name, base=image)
            run(small, "push", name)
        own.images.remove(pulled, force=True)
        agent = make_agent(docker_url=small.url, **QUICK).start()
        async with DtmaClient(agent.endpoint) as client:
            for name in (pulled, brought):
                state = await ready(client, server_id, spec_of("x", "workshop", source=OciImage(reference=name)))
                assert state.image.startswith(name.removesuffix(":1") + "@sha256:")
                passed(own)
                assert has(own, name)
                await client.delete(server_id)
                server_id += "x"
            until(lambda: not has(own, pulled), 30)
            passed(own)
            assert has(own, brought)
            assert not [digest for found in own.images.list() for digest in found.attrs["RepoDigests"] if "/pulled@" in digest]


async def test_on_a_full_disk_the_oldest_go_until_there_is_room(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent]
) -> None:
    names = [NAME.format(number) for number in (3, 4, 5, 6)]
    ids = [make(own, name, 100 * MEGABYTE) for name in names]
    make(own, "somebody/else:3", 50 * MEGABYTE)
    room_for_two = percent_used(small) - 100 * 150 * MEGABYTE / DISK_BYTES
    agent = make_agent(docker_url=small.url, disk_percent=room_for_two, collect_seconds=0.2)
    remembered(agent, dict(zip(ids, (1, 4, 2, 0.5), strict=True)))
    agent.start()
    until(lambda: percent_used(small) < room_for_two, 30)
    assert [has(own, name) for name in names] == [True, False, False, True]
    assert has(own, "somebody/else:3")
    agent.stop()
    assert agent.output.index(names[1]) < agent.output.index(names[2])


async def test_room_is_made_before_a_build(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent], client: DtmaClient, engine: DockerClient, server_id: str
) -> None:
    """The build is one that needs no network: a package of NuGet. Its program is none, but its image is built."""
    nothing = NugetPackage(name="Nothing", version="1.0.0")
    await deploy(client, server_id, ServerSpec(generation=1, name="none", source=nothing))  # which makes the base
    base = max(engine.images.list(name="agentopia/base-dotnet"), key=lambda found: found.attrs["Created"])
    small.load("debian:bookworm-slim", base.tags[0])
    name = NAME.format(7)
    old = make(own, name, 100 * MEGABYTE)
    files = {"nothing": b"no program", "DotnetToolSettings.xml": settings("nothing", "executable")}
    with serving() as feed:
        feed.add("Nothing", "1.0.0", tool_package({"tools/any/any": files}))
        agent = make_agent(
            docker_url=small.url, nuget_feed=f"{feed.url}/index.json", disk_percent=percent_used(small) - 2, build_cache_mb=0
        )
        remembered(agent, {old: 1})
        agent.start()
        async with DtmaClient(agent.endpoint) as mine:
            _, settled = await deploy(mine, server_id, ServerSpec(generation=1, name="none", source=nothing))
    assert settled.server.image.startswith("agentopia/server:")
    assert has(own, settled.server.image)
    assert not has(own, name)


async def test_what_building_leaves_behind_is_bounded(
    small: OwnEngine, own: DockerClient, make_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY noise /noise\n")
    for _ in range(3):
        (tmp_path / "noise").write_bytes(os.urandom(20 * MEGABYTE))
        run(small, "build", "--tag", "somebody/built:1", str(tmp_path))
    own.images.remove("somebody/built:1")
    own.images.prune(filters={"dangling": True})

    def cached() -> int:
        return sum(entry["Size"] for entry in own.df()["BuildCache"] or () if not entry["InUse"])

    assert cached() > 50 * MEGABYTE
    make_agent(docker_url=small.url, collect_seconds=0.2, build_cache_mb=30).start()
    until(lambda: cached() < 45 * MEGABYTE, 30)
