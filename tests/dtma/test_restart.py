"""DTMA is killed or stopped at the worst moments; the next one repairs it, and servers do not notice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from docker import DockerClient

from dtma_client import DtmaClient
from dtma_wire import Egress, Phase, PypiPackage, ServerSpec, ServerState, Volume
from tests.dtma.agent import ENGINE_URL, ROOT, Agent, deploy, eventually, ready, say, spec_of, until

KILLS = 15


def containers_of(engine: DockerClient, server_id: str) -> list[str]:
    found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"}, ignore_removed=True)
    return [str(container.id) for container in found]


async def running(client: DtmaClient, server_id: str) -> ServerState:
    async def is_running() -> ServerState | None:
        state = await client.server(server_id)
        return state if state.phase is Phase.RUNNING else None

    state = await eventually(is_running, 60)
    assert state is not None
    return state


async def test_a_killed_dtma_carries_on_with_the_same_container_and_session(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, spec_of(image, "workshop"))
        session = await say(client, server_id, "session")
        agent.kill()
        # It prints while nobody is there.
        talk = b'{"jsonrpc":"2.0","id":"away","method":"tools/call","params":{"name":"shout","arguments":{"text":"alone","count":3}}}\n'
        write_to(before.container, talk)
        until(lambda: b"alone 2" in engine.containers.get(before.container).logs())
        agent.start()
        after = await running(client, server_id)
        assert after.container == before.container
        assert (after.started_at, after.image) == (before.started_at, before.image)
        assert after.tools == before.tools
        assert after.revision > before.revision
        assert await say(client, server_id, "session") == session
        printed = [line.text async for batch in client.logs(server_id) for line in batch if line.stream == "stderr"]
        assert printed == ["alone 0", "alone 1", "alone 2"]
    assert containers_of(engine, server_id) == [before.container]


async def test_a_stopped_dtma_leaves_its_servers_running(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, spec_of(image, "workshop"))
        agent.stop()
        assert agent.process is not None
        assert agent.process.returncode == 0, agent.output
        assert engine.containers.get(before.container).status == "running"
        agent.start()
        assert (await running(client, server_id)).container == before.container
        assert "ERROR dtma" not in agent.output


async def test_what_happened_meanwhile_is_repaired(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        gone = await ready(client, f"{server_id}-gone", spec_of(image, "workshop"))
        dead = await ready(client, f"{server_id}-dead", spec_of(image, "workshop"))
        await ready(client, f"{server_id}-off", spec_of(image, "workshop"))
        await client.stop(f"{server_id}-off")
        agent.kill()
        engine.containers.get(gone.container).remove(force=True)
        engine.containers.get(dead.container).kill()
        agent.start()
        assert (await running(client, f"{server_id}-gone")).container != gone.container
        assert (await running(client, f"{server_id}-dead")).container != dead.container

        async def stopped() -> bool:
            return (await client.server(f"{server_id}-off")).phase is Phase.STOPPED

        await eventually(stopped)
    for name in ("gone", "dead"):
        assert len(containers_of(engine, f"{server_id}-{name}")) == 1
    assert containers_of(engine, f"{server_id}-off") == []


async def test_what_was_ready_before_may_stumble_on_its_way_back(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        spec = spec_of(image, "stumbling", volumes=(Volume(name="data", path="/data"),))
        before = await ready(client, server_id, spec)
        agent.kill()
        engine.containers.get(before.container).kill()
        agent.start()
        after = await running(client, server_id)
        assert await say(client, server_id, "starts") == "3"
        assert after.restarts == 1


async def test_killed_at_any_moment_of_a_deployment_there_is_one_of_everything(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent()
    spec = spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),), egress=Egress.OPEN)
    chance = random.Random(seed := time.time_ns())  # noqa: S311
    print(f"kills are timed with the seed {seed}")
    for number in range(1, KILLS + 1):
        agent.start()
        async with DtmaClient(agent.endpoint) as client:
            stream = client.put_server(
                server_id, spec.model_copy(update={"generation": number, "arguments": (*spec.arguments, str(number))})
            )
            await anext(stream)
            # The one place where time itself is the input: the kill must fall into the work wherever it happens to be.
            await asyncio.sleep(chance.uniform(0, 0.5))
            agent.kill()
            await stream.aclose()
    agent.start()
    async with DtmaClient(agent.endpoint) as client:
        state = await running(client, server_id)
        assert state.generation == KILLS
        assert json.loads(await say(client, server_id, "argv")) == [str(KILLS)]
        assert await say(client, server_id, "keep", text="written") == "written"
        label = {"filters": {"label": f"io.agentopia.server={server_id}"}}
        assert containers_of(engine, server_id) == [state.container]
        assert [network.name for network in engine.networks.list(**label)] == [f"agentopia-{server_id}"]
        assert [volume.name for volume in engine.volumes.list(**label)] == [f"agentopia-{server_id}.data"]
        await client.delete(server_id, "remove")
        assert [*containers_of(engine, server_id), *engine.networks.list(**label), *engine.volumes.list(**label)] == []


async def test_killed_during_a_build_leaves_nothing_running_and_the_next_one_finishes_it(
    make_agent: Callable[..., Agent], server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    # An option that no other run has makes it a build that is not cached.
    requires = (f"six!=0.{os.getpid()}.{time.time_ns()}",)
    spec = ServerSpec(generation=1, name="time", source=PypiPackage(name="mcp-server-time", version="2026.10.19", requires=requires))
    async with DtmaClient(agent.endpoint) as client:
        stream = client.put_server(server_id, spec)
        async for event in stream:
            if "step" in getattr(event, "detail", ""):
                break
        agent.kill()
        await stream.aclose()
        until(lambda: not builds_of(requires[0]))
        agent.start()
        state = await running(client, server_id)
        _, settled = await deploy(client, server_id, spec)
        assert settled.ready
        assert settled.server.container == state.container
        assert "get_current_time" in {tool["name"] for tool in state.tools or ()}
    assert containers_of(engine, server_id) == [state.container]
    await_image = engine.containers.get(state.container).image
    engine.containers.get(state.container).remove(force=True)
    engine.images.remove(await_image.id, force=True)


def builds_of(marker: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if marker in line and "build" in line]


async def test_a_deletion_that_was_accepted_is_finished(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        state = await ready(client, server_id, spec_of(image, "workshop"))
        agent.kill()
        record = agent.home / "servers" / f"{server_id}.json"
        record.write_text(record.read_text().replace('"deleting": null', '"deleting": "remove"'))
        agent.start()
        until(lambda: state.container not in containers_of(engine, server_id))
        until(lambda: not record.exists())


async def test_a_container_without_a_spec_is_named_and_left_alone(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        state = await ready(client, server_id, spec_of(image, "workshop"))
    agent.kill()
    (agent.home / "servers" / f"{server_id}.json").unlink()
    agent.start()
    until(lambda: f"no server {server_id} is known; it is left alone" in agent.output)
    assert engine.containers.get(state.container).status == "running"


def test_a_home_has_one_dtma(make_agent: Callable[..., Agent]) -> None:
    agent = make_agent().start()
    second = subprocess.run([sys.executable, "-m", "dtma", "--home", str(agent.home)], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert "Another DTMA is already running" in second.stderr
    assert agent.process is not None
    assert agent.process.poll() is None


def write_to(container: str, data: bytes) -> None:
    """Write to a container's standard input over an attach stream of our own."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(ENGINE_URL.removeprefix("unix://"))
        stream.sendall(
            f"POST /containers/{container}/attach?stdin=1&stream=1 HTTP/1.1\r\n"
            "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert b"101" in stream.recv(4096)
        stream.sendall(data)
