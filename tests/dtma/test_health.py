"""Servers that hang, and servers that only seem to."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from docker import DockerClient

from dtma_client import DtmaClient, DtmaError, McpError
from dtma_wire import HttpTransport, Phase, ServerState
from tests.dtma.agent import Agent, deploy, eventually, ready, say, spec_of

QUICK = {"probe_seconds": 0.3, "probe_limit_seconds": 0.5, "probe_busy_seconds": 2, "probe_restart_seconds": 0.5}
PATIENT = {**QUICK, "probe_busy_seconds": 600, "probe_restart_seconds": 600}


@pytest.fixture(scope="module")
def quick(toolbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A DTMA that soon loses patience."""
    agent = Agent(tmp_path_factory.mktemp("quick"), toolbox, **QUICK).start()
    yield agent
    agent.stop()


@pytest.fixture(scope="module")
def patient(toolbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A DTMA that asks as often, and never loses patience."""
    agent = Agent(tmp_path_factory.mktemp("patient"), toolbox, **PATIENT).start()
    yield agent
    agent.stop()


@pytest.fixture
async def hasty(quick: Agent) -> AsyncIterator[DtmaClient]:
    async with DtmaClient(quick.endpoint) as client:
        yield client


@pytest.fixture
async def calm(patient: Agent) -> AsyncIterator[DtmaClient]:
    async with DtmaClient(patient.endpoint) as client:
        yield client


async def states_until(client: DtmaClient, server_id: str, last: Callable[[ServerState], bool]) -> list[ServerState]:
    """The states of one server, from the present one to the first that is wanted."""
    seen: list[ServerState] = []
    async with asyncio.timeout(60), aclosing(client.events()) as events:
        async for state in events:
            if state.id == server_id:
                seen.append(state)
                if last(state):
                    break
    return seen


async def restarted(client: DtmaClient, before: ServerState) -> list[ServerState]:
    return await states_until(client, before.id, lambda state: state.phase is Phase.RUNNING and state.container != before.container)


async def printed(client: DtmaClient, server_id: str) -> list[str]:
    return [line.text async for batch in client.logs(server_id) for line in batch]


def signal_all(engine: DockerClient, container: str, number: str) -> None:
    """Signal all processes of a container but its init."""
    code = f"import os, signal; os.kill(-1, signal.{number})"
    assert engine.containers.get(container).exec_run(["python", "-c", code]).exit_code == 0


async def test_a_server_that_hangs_is_restarted_and_its_open_calls_fail(hasty: DtmaClient, image: str, server_id: str) -> None:
    before = await ready(hasty, server_id, spec_of(image, "hanging"))
    watching = asyncio.create_task(restarted(hasty, before))
    with pytest.raises(McpError, match="The server hung while this call was open, and is restarted"):
        await hasty.mcp(server_id).call_tool("hang", {}, 60)
    seen = await watching
    ill, hung = (state for state in seen if state.phase is Phase.UNHEALTHY)
    assert ill.reason.startswith("The server has not answered for ")
    assert ill.reason.endswith(" It is restarted if it stays silent for another 0.5 s.")
    assert hung.reason.startswith("The server hung: it ran, but did not answer for ")
    assert (ill.container, hung.restarts, [line.text for line in hung.last_log]) == (before.container, 1, ["hanging"])
    assert (seen[-1].reason, seen[-1].restarts) == ("", 1)
    assert await say(hasty, server_id, "echo") == "here"
    remarks = [line for line in await printed(hasty, server_id) if line.startswith("The server hung: ")]
    assert [line.endswith("It is restarted in 0.1 s.") for line in remarks] == [True]


async def test_an_http_server_that_hangs_is_restarted_too(hasty: DtmaClient, image: str, server_id: str) -> None:
    before = await ready(hasty, server_id, spec_of(image, "hanging_http", transport=HttpTransport(port=8000)))
    watching = asyncio.create_task(restarted(hasty, before))
    with pytest.raises(DtmaError):
        await hasty.mcp(server_id).call_tool("hang", {}, 60)
    seen = await watching
    assert any(state.reason.startswith("The server has not answered for ") for state in seen)
    assert any(state.reason.startswith("The server hung: it ran, but did not answer for ") for state in seen)
    assert await say(hasty, server_id, "echo") == "here"


async def test_a_container_that_is_frozen_is_restarted(hasty: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    # One of each era of MCP: they are asked differently.
    before = [await ready(hasty, f"{server_id}-{script}", spec_of(image, script)) for script in ("workshop", "newer")]
    for state in before:
        engine.containers.get(state.container).pause()
    for seen in await asyncio.gather(*(restarted(hasty, state) for state in before)):
        assert Phase.UNHEALTHY in {state.phase for state in seen}
        found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={seen[-1].id}"})
        assert [container.id for container in found] == [seen[-1].container]


async def test_a_server_that_answers_again_is_well_again(calm: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    before = await ready(calm, server_id, spec_of(image, "workshop"))
    signal_all(engine, before.container, "SIGSTOP")
    ill = (await states_until(calm, server_id, lambda state: state.phase is Phase.UNHEALTHY))[-1]
    assert "It is restarted if it stays silent for another 600 s." in ill.reason
    signal_all(engine, before.container, "SIGCONT")
    well = (await states_until(calm, server_id, lambda state: state.phase is Phase.RUNNING))[-1]
    assert (well.container, well.restarts, well.reason) == (before.container, 0, "")
    assert "The server answers again." in await printed(calm, server_id)


async def test_a_long_call_is_no_illness(calm: DtmaClient, image: str, server_id: str) -> None:
    tools = {"sleep": "slept", "spin": "spun", "talk": "talked"}
    before = {tool: await ready(calm, f"{server_id}-{tool}", spec_of(image, "hanging")) for tool in tools}
    # Longer than it takes to miss two questions.
    said = await asyncio.gather(*(say(calm, state.id, tool, seconds=3) for tool, state in before.items()))
    assert dict(zip(tools, said, strict=True)) == tools
    for state in before.values():
        assert (await calm.server(state.id)).revision == state.revision


async def test_a_server_that_computes_has_as_long_as_it_takes(hasty: DtmaClient, image: str, server_id: str) -> None:
    before = await ready(hasty, server_id, spec_of(image, "hanging"))
    # Longer than a server may be busy, miss two questions and be ill together.
    assert await say(hasty, server_id, "spin", seconds=6) == "spun"
    assert (await hasty.server(server_id)).revision == before.revision


async def test_a_server_that_speaks_is_not_asked(calm: DtmaClient, image: str, server_id: str) -> None:
    await ready(calm, server_id, spec_of(image, "hanging"))

    async def pings() -> int:
        return int(await say(calm, server_id, "pings"))

    for _ in range(20):
        await pings()
        await asyncio.sleep(0.02)
    assert await pings() == 0

    async def asked() -> bool:
        await asyncio.sleep(1)
        return await pings() > 0

    await eventually(asked)


async def test_a_server_that_keeps_hanging_is_given_up_until_it_is_started_again(
    make_agent: Callable[..., Agent], image: str, server_id: str
) -> None:
    agent = make_agent(**QUICK, crash_limit=2).start()

    def over(state: ServerState) -> bool:
        return "not restarted any more" in state.reason

    async with DtmaClient(agent.endpoint) as client:
        await ready(client, server_id, spec_of(image, "hanging", "--hang"))
        given_up = (await states_until(client, server_id, over))[-1]
        assert (given_up.phase, given_up.restarts) == (Phase.UNHEALTHY, 1)
        assert "It crashed or hung 2 times within 10 minutes" in given_up.reason
        assert given_up.reason.endswith("Look at its log, then start it again.")
        # A fresh budget: it is ready, and is given up after as many times again.
        assert (await client.start(server_id)).phase is Phase.RUNNING
        assert [state.restarts for state in await states_until(client, server_id, over)][-1] == 2
        _, settled = await deploy(client, server_id, spec_of(image, "workshop", generation=2))
        assert settled.ready


async def test_a_server_that_hung_while_dtma_was_away_is_found_out(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent(**{**QUICK, "probe_seconds": 600}).start()
    async with DtmaClient(agent.endpoint) as client:
        hung = await ready(client, f"{server_id}-hung", spec_of(image, "workshop"))
        frozen = await ready(client, f"{server_id}-frozen", spec_of(image, "workshop"))
        agent.kill()
        signal_all(engine, hung.container, "SIGSTOP")
        engine.containers.get(frozen.container).pause()
        agent.start()
        for before in (hung, frozen):
            await restarted(client, before)
            assert await say(client, before.id, "echo", text="back") == "back"


async def test_what_the_image_itself_calls_unhealthy_is_asked(
    calm: DtmaClient, image: str, server_id: str, engine: DockerClient, tmp_path: Path
) -> None:
    recipe = f"FROM {image}\nHEALTHCHECK --interval=1s --retries=1 CMD false\n"
    checked, _ = engine.images.build(fileobj=io.BytesIO(recipe.encode()), rm=True)
    assert checked.id is not None
    checked.tag(tag := f"agentopia-test/checked:{server_id}")
    try:
        before = await ready(calm, server_id, spec_of(tag, "workshop"))

        async def told() -> bool:
            return "The image's own health check fails." in await printed(calm, server_id)

        await eventually(told, 20)
        state = await calm.server(server_id)
        assert (state.phase, state.container) == (Phase.RUNNING, before.container)
        await calm.delete(server_id)
    finally:
        engine.images.remove(tag, force=True)
