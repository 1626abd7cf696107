"""Builds as they are seen from outside: done once, few at a time, and ended with whoever wanted them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import psutil
import pytest
from docker import DockerClient

from dtma.labels import LABEL_SOURCE
from dtma_client import DtmaClient
from dtma_wire import Progress, PypiPackage, ServerSpec, Settled
from tests.dtma.agent import Agent, deploy, eventually, until
from tests.dtma.cleaning import remove_servers

TIME = ("mcp-server-time", "2026.10.19")
LARGE = ("numpy", "pandas", "scipy")
"""Installing and compiling these takes a while."""


@pytest.fixture
def mark(server_id: str) -> str:
    """A version that no other build asks for, so that none has been done already."""
    return f"0.0.{int(server_id[1:], 16)}"


@pytest.fixture(autouse=True)
def _nothing_stays(engine: DockerClient, server_id: str, mark: str) -> Iterator[None]:
    """Once the DTMAs of a test have ended, which would bring back what is removed here."""
    yield
    remove_servers(engine, server_id)
    remove_servers(engine, mark)


def spec(mark: str, *others: str, generation: int = 1) -> ServerSpec:
    source = PypiPackage(name=TIME[0], version=TIME[1], requires=(f"pip>={mark}", *others))
    return ServerSpec(generation=generation, name="time", source=source)


def clients(agent: Agent) -> list[psutil.Process]:
    """The command lines that this DTMA builds with."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("DOCKER_CONFIG") == str(agent.home / "docker-client")
            if ours and "build" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def installing(mark: str) -> bool:
    """Whether anything on this machine, containers included, still works for this build."""
    for process in psutil.process_iter():
        try:
            if any(mark in word for word in process.cmdline()):
                return True
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return False


def made(engine: DockerClient, mark: str) -> list[str]:
    """The images that came of this build, those without a name among them."""
    return [str(image.id) for image in engine.images.list(filters={"label": LABEL_SOURCE}) if mark in image.labels[LABEL_SOURCE]]


async def until_installing(events: AsyncIterator[Progress | Settled], mark: str) -> None:
    async for event in events:
        assert isinstance(event, Progress), event
        if installing(mark):
            return


@pytest.fixture
async def building(make_agent: Callable[..., Agent], mark: str, server_id: str) -> AsyncIterator[tuple[Agent, DtmaClient]]:
    """A DTMA in the middle of a build that will take some time yet."""
    agent = make_agent(handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client:
        events = client.put_server(server_id, spec(mark, *LARGE))
        await until_installing(events, mark)
        assert len(clients(agent)) == 1
        yield agent, client
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_build_ends_with_the_server_that_wanted_it(
    building: tuple[Agent, DtmaClient], engine: DockerClient, mark: str, server_id: str
) -> None:
    agent, client = building
    await client.delete(server_id)
    assert clients(agent) == []
    await eventually(lambda: asyncio.to_thread(lambda: not installing(mark)))
    assert made(engine, mark) == []


async def test_a_build_goes_on_for_another_server_that_wants_it(
    building: tuple[Agent, DtmaClient], engine: DockerClient, mark: str, server_id: str
) -> None:
    agent, client = building
    other = client.put_server(f"{server_id}-other", spec(mark, *LARGE))
    joined = await anext(aiter(other))
    assert isinstance(joined, Progress)
    async for event in other:
        if isinstance(event, Progress) and event.detail.startswith("building"):
            break
    client_process = clients(agent)[0].pid
    await client.delete(server_id)
    assert [process.pid for process in clients(agent)] == [client_process]
    assert [event async for event in other][-1].type == "settled"
    assert len(made(engine, mark)) == 1


async def test_a_build_ends_with_the_spec_that_asked_for_it(
    building: tuple[Agent, DtmaClient], engine: DockerClient, mark: str, server_id: str
) -> None:
    agent, client = building
    first = clients(agent)[0].pid
    _, settled = await deploy(client, server_id, spec(mark, generation=2))
    assert settled.ready, settled.server.reason
    assert not psutil.pid_exists(first)
    assert len(made(engine, mark)) == 1


async def test_a_build_does_not_outlive_a_dtma_that_is_killed(building: tuple[Agent, DtmaClient], engine: DockerClient, mark: str) -> None:
    agent, _ = building
    agent.end(signal.SIGKILL)
    until(lambda: not clients(agent))
    until(lambda: not installing(mark))
    assert made(engine, mark) == []


async def test_two_builds_at_once_and_one_for_the_same_content(
    make_agent: Callable[..., Agent], engine: DockerClient, mark: str, server_id: str
) -> None:
    agent = make_agent(handshake_seconds=60).start()
    specs = [spec(mark), spec(mark), spec(mark, "tomli"), spec(mark, "six"), spec(mark, "idna")]
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(await asyncio.to_thread(clients, agent)))
            await asyncio.sleep(0.05)

    async with DtmaClient(agent.endpoint) as client:
        watching = asyncio.create_task(watch())
        done = await asyncio.gather(*(deploy(client, f"{server_id}-{number}", one) for number, one in enumerate(specs)))
        watching.cancel()
    assert all(settled.ready for _, settled in done), [settled.server.reason for _, settled in done]
    assert most == 2
    details = [[event.detail for event in events] for events, _ in done]
    assert any("waiting for another build to end" in said for said in details)
    assert len({settled.server.image for _, settled in done}) == 4
    assert len(made(engine, mark)) == 4
