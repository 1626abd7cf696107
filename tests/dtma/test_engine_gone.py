"""The engine goes away and comes back, alone or with the whole host."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import pytest

from dtma_client import DtmaClient, EngineUnavailable, ServerNotReady
from dtma_wire import Phase, ServerState, Volume
from tests.dtma.agent import Agent, deploy, eventually, free_port, ready, say, spec_of
from tests.dtma.own_engine import OwnEngine, own_engine_with


@pytest.fixture(scope="module")
def own_engine(image: str) -> Iterator[OwnEngine]:
    with own_engine_with(image) as own:
        yield own


async def in_phase(client: DtmaClient, server_id: str, phase: Phase) -> ServerState:
    async def reached() -> ServerState | None:
        state = await client.server(server_id)
        return state if state.phase is phase else None

    state = await eventually(reached, 30)
    assert state is not None
    return state


async def test_the_engine_goes_and_comes_back(own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent(docker_url=own_engine.url).start()
    running, stopped, failed, late = (f"{server_id}-{name}" for name in ("running", "stopped", "failed", "late"))
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, running, spec_of(image, "workshop"))
        await ready(client, stopped, spec_of(image, "workshop"))
        await client.stop(stopped)
        await deploy(client, failed, spec_of(image, "exits"))

        own_engine.stop()
        for server in (running, stopped, failed):
            state = await in_phase(client, server, Phase.UNKNOWN)
            assert state.reason.startswith("The Docker engine of this toolbox does not answer:")
        with pytest.raises(ServerNotReady, match="does not answer"):
            await say(client, running, "echo", text="x")
        assert (await client.info()).engine_problem.startswith("The Docker engine of this toolbox does not answer:")
        _, settled = await deploy(client, late, spec_of(image, "workshop"))
        assert (settled.ready, settled.server.phase) == (False, Phase.UNKNOWN)
        with pytest.raises(EngineUnavailable):
            await client.delete(stopped)

        own_engine.start()
        state = await in_phase(client, running, Phase.RUNNING)
        assert state.container != before.container
        assert await say(client, running, "echo", text="back") == "back"
        await in_phase(client, late, Phase.RUNNING)
        assert (await in_phase(client, failed, Phase.CRASHED)).reason == "The server exited with code 3 right after it started."

        async def deleted() -> bool:
            return (await client.delete(stopped)).phase is Phase.ABSENT

        await eventually(deleted)
        assert stopped not in {state.id for state in await client.servers()}
        assert (await client.info()).engine_problem == ""
    agent.stop()
    assert "Traceback" not in agent.output


async def test_dtma_starts_without_an_engine(own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    own_engine.stop()
    agent = make_agent(docker_url=own_engine.url).start()
    async with DtmaClient(agent.endpoint) as client:
        _, settled = await deploy(client, server_id, spec_of(image, "workshop"))
        assert not settled.ready
        own_engine.start()
        await in_phase(client, server_id, Phase.RUNNING)
        _, settled = await deploy(client, server_id, spec_of(image, "workshop"))
        assert settled.ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_an_engine_that_keeps_its_containers_is_restarted(
    own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str, number: signal.Signals
) -> None:
    own_engine.stop()
    own_engine.start("--live-restore")
    agent = make_agent(docker_url=own_engine.url).start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, spec_of(image, "workshop"))
        session = await say(client, server_id, "session")
        # Two connections are there before: over a new one, whose handshake takes longer, the first call would come after the second.
        await asyncio.gather(*(running_call(client, server_id) for _ in range(2)))
        call = asyncio.create_task(say(client, server_id, "slow", steps=100, seconds=10))
        await running_call(client, server_id)
        own_engine.end(number)
        with pytest.raises(Exception, match="while this call was open"):  # long before its answer would have come
            await asyncio.wait_for(call, 20)
        assert (await in_phase(client, server_id, Phase.UNKNOWN)).reason.startswith("The Docker engine of this toolbox does not answer:")
        own_engine.start("--live-restore")
        after = await in_phase(client, server_id, Phase.RUNNING)
        assert (after.container, after.started_at, after.restarts) == (before.container, before.started_at, 0)
        assert await say(client, server_id, "session") == session
        assert own_engine.containers(server_id) == [before.container]
        await client.delete(server_id)
    agent.stop()
    own_engine.stop()
    own_engine.start()


async def test_a_killed_engine_is_started_again(
    own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str
) -> None:
    agent = make_agent(docker_url=own_engine.url).start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, spec_of(image, "workshop"))
        own_engine.end(signal.SIGKILL)
        await in_phase(client, server_id, Phase.UNKNOWN)
        own_engine.start()
        after = await in_phase(client, server_id, Phase.RUNNING)
        assert own_engine.containers(server_id) == [after.container] != [before.container]
        assert await say(client, server_id, "echo", text="back") == "back"
        await client.delete(server_id)


@pytest.mark.parametrize("first", ["dtma", "engine"])
async def test_the_host_is_switched_off_and_on(
    own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str, first: str
) -> None:
    # The control plane is away all the time.
    agent = make_agent(docker_url=own_engine.url, control_url=f"https://127.0.0.1:{free_port()}").start()
    kept, stopped, failed = (f"{server_id}-{name}" for name in ("kept", "stopped", "failed"))
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, kept, spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),)))
        await say(client, kept, "keep", text="precious")
        await ready(client, stopped, spec_of(image, "workshop"))
        await client.stop(stopped)
        await deploy(client, failed, spec_of(image, "exits"))
        agent.kill()
        own_engine.cut_power()
        if first == "engine":
            own_engine.start()
        agent.start()
        if first == "dtma":
            assert (await in_phase(client, kept, Phase.UNKNOWN)).reason
            own_engine.start()
        after = await in_phase(client, kept, Phase.RUNNING)
        assert await say(client, kept, "keep") == "precious"
        await in_phase(client, stopped, Phase.STOPPED)
        assert (await in_phase(client, failed, Phase.CRASHED)).exit_code == 3
        assert own_engine.containers(kept) == [after.container] != [before.container]
        assert own_engine.containers(stopped) == []
        assert len(own_engine.containers(failed)) == 1
        with own_engine.client() as engine:
            found = engine.volumes.list(filters={"label": f"io.agentopia.server={kept}"})
            assert [volume.name for volume in found] == [f"agentopia-{kept}.data"]
        for server in (kept, stopped, failed):
            await client.delete(server, "remove")


async def running_call(client: DtmaClient, server_id: str) -> None:
    """Return once the server has the calls that were sent to it before this one."""
    await say(client, server_id, "echo", text="x")
