"""Servers that do not come up, or do not stay up: what is true, and a sentence that says what to do."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from docker import DockerClient

from dtma.engine import Engine
from dtma.servers.ending import why_it_ended
from dtma_client import DtmaClient, ServerNotReady
from dtma_wire import HttpTransport, Phase, Resources, ServerState, Step, StepState
from tests.dtma.agent import ENGINE_URL, deploy, eventually, ready, say, spec_of

GUESS = "The server exited with code 137 {when}. It was killed: often that is its memory limit, 64 MB, or a host without free memory."


async def test_a_server_that_exits_at_once(client: DtmaClient, image: str, server_id: str) -> None:
    steps, settled = await deploy(client, server_id, spec_of(image, "exits"))
    assert not settled.ready
    state = settled.server
    assert (state.phase, state.exit_code) == (Phase.CRASHED, 3)
    assert state.reason == "The server exited with code 3 right after it started."
    assert [line.text for line in state.last_log] == ["no DATABASE given, giving up"]
    assert (steps[-1].step, steps[-1].state, steps[-1].detail) == (Step.HANDSHAKE, StepState.FAILED, state.reason)
    with pytest.raises(ServerNotReady, match="exited with code 3"):
        await client.mcp(server_id).call_tool("echo", {})


async def test_a_first_start_that_fails_is_tried_again_only_when_asked(client: DtmaClient, image: str, server_id: str) -> None:
    _, first = await deploy(client, server_id, spec_of(image, "exits"))
    assert (await client.server(server_id)).revision == first.server.revision
    _, second = await deploy(client, server_id, spec_of(image, "exits"))
    assert second.server.revision > first.server.revision
    assert second.server.container != first.server.container
    third = await client.start(server_id)
    assert (third.phase, third.exit_code) == (Phase.CRASHED, 3)
    assert third.revision > second.server.revision
    await ready(client, server_id, spec_of(image, "workshop", generation=2))


async def test_the_last_lines_of_a_server_are_told(client: DtmaClient, image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, spec_of(image, "last_words"))
    state = await client.server(server_id)
    assert state == settled.server
    assert (state.phase, state.exit_code) == (Phase.CRASHED, 4)
    assert state.reason == "The server exited with code 4 right after it started."
    assert [line.text for line in state.last_log] == [f"word {number}" for number in range(10, 30)]


async def test_servers_that_keep_silent(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    http = HttpTransport(port=8000)
    port = (
        "Nothing listened on port 8000 of the container within 6 s. Check the port, and that the server does not listen on 127.0.0.1 only."
    )
    silences = {
        f"{server_id}-1": (spec_of(image, "silent"), Step.HANDSHAKE, "The server did not answer initialize within 6 s."),
        f"{server_id}-2": (spec_of(image, "toolless", "silence"), Step.TOOLS, "The server did not answer tools/list within 6 s."),
        f"{server_id}-3": (spec_of(image, "silent", transport=http), Step.HANDSHAKE, port),
        f"{server_id}-4": (
            spec_of(image, "hanging_http", "initialize", transport=http),
            Step.HANDSHAKE,
            "The server did not answer initialize within 6 s.",
        ),
        f"{server_id}-5": (
            spec_of(image, "hanging_http", "tools/list", transport=http),
            Step.TOOLS,
            "The server did not answer tools/list within 6 s.",
        ),
    }
    outcomes = await asyncio.gather(*(deploy(client, one, spec) for one, (spec, _, _) in silences.items()))
    for (steps, settled), (one, (_, step, reason)) in zip(outcomes, silences.items(), strict=True):
        assert (settled.ready, settled.server.phase) == (False, Phase.UNHEALTHY)
        assert settled.server.reason.startswith(reason)
        assert (steps[-1].step, steps[-1].state, steps[-1].detail) == (step, StepState.FAILED, settled.server.reason)
        assert engine.containers.get(f"agentopia-{one}").status == "exited"
    assert [line.text for line in outcomes[0][1].server.last_log] == ["waiting for something that never comes"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("error", "The server did not list its tools: the database is locked (-32603)."),
        ("nonsense", "The server answered tools/list with something that is not MCP."),
    ],
)
async def test_tools_that_cannot_be_listed(client: DtmaClient, image: str, server_id: str, answer: str, reason: str) -> None:
    steps, settled = await deploy(client, server_id, spec_of(image, "toolless", answer))
    assert (settled.ready, settled.server.phase, settled.server.reason) == (False, Phase.UNHEALTHY, reason)
    assert (steps[-1].step, steps[-1].state, steps[-1].detail) == (Step.TOOLS, StepState.FAILED, reason)
    assert await client.server(server_id) == settled.server


async def test_garbage_on_standard_output_is_logged_and_skipped(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "garbage"))
    assert await say(client, server_id, "litter") == "clean"
    printed = [line.text async for batch in client.logs(server_id) for line in batch if line.stream == "stdout"]
    assert printed == [
        "Welcome to the garbage server!",
        '{"not": "json-rpc"}',
        "42",
        "[]",
        '{"jsonrpc": "2.0", "broken',
        "[" * 16344 + "… (100000 characters)",
        "more garbage",
        "\x00\ufffd",
    ]


async def test_a_server_that_needs_more_memory_than_it_has(client: DtmaClient, image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, spec_of(image, "gluttonous", resources=Resources(memory_mb=64)))
    assert (settled.server.phase, settled.server.exit_code) == (Phase.CRASHED, 137)
    # Whether the engine noticed what the kernel did, it does not promise: see the next test.
    told = "Memory limit of 64 MB reached (OOM-killed)."
    assert settled.server.reason.startswith((told, GUESS.format(when="right after it started")))


@pytest.mark.parametrize(
    ("when_told", "reason"),
    [
        (1, "Memory limit of 64 MB reached (OOM-killed). Give the server more memory."),
        (3, GUESS.format(when="while it was running")),
    ],
    ids=["late", "never"],
)
async def test_the_engine_tells_late_or_never_that_memory_ran_out(
    engine: DockerClient, image: str, server_id: str, when_told: int, reason: str
) -> None:
    container = engine.containers.run(image, entrypoint=["sleep", "60"], name=f"agentopia-{server_id}", detach=True)
    own = Engine(ENGINE_URL)
    asked = itertools.count()
    try:
        container.kill()
        assert container.id is not None
        failure = await why_it_ended(
            own, container.id, when="while it was running", memory_mb=64, process_killed=lambda: next(asked) >= when_told
        )
    finally:
        await own.close()
        container.remove(force=True)
    assert failure is not None
    assert (failure.reason, failure.exit_code) == (reason, 137)


async def test_a_crash_is_told_logged_and_repaired(client: DtmaClient, image: str, server_id: str) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop"))
    seen: list[ServerState] = []
    events = client.events()
    async for state in events:  # pragma: no branch
        if state.id == server_id:
            break
    with pytest.raises(Exception, match="stopped while this call was open"):
        await say(client, server_id, "crash", code=7)
    async for state in events:
        if state.id == server_id:
            seen.append(state)
            if state.phase is Phase.RUNNING:
                break
    await events.aclose()
    crashed = seen[0]
    assert (crashed.phase, crashed.exit_code, crashed.restarts) == (Phase.CRASHED, 7, 1)
    assert crashed.reason == "The server exited with code 7 while it was running."
    assert [line.text for line in crashed.last_log] == ["about to crash"]
    assert seen[-1].container != before.container
    assert seen[-1].reason == ""
    assert [state.revision for state in seen] == sorted(state.revision for state in seen)
    assert await say(client, server_id, "echo", text="again") == "again"


async def test_a_server_that_keeps_crashing_is_given_up(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "fickle"))

    async def given_up() -> ServerState | None:
        state = await client.server(server_id)
        return state if "not restarted any more" in state.reason else None

    state = await eventually(given_up, 30)
    assert state is not None
    assert (state.phase, state.exit_code, state.restarts) == (Phase.CRASHED, 9, 4)
    assert state.reason == (
        "The server exited with code 9 while it was running. "
        "It crashed 5 times within 10 minutes and is not restarted any more. Look at its log, then start it again."
    )
    # Whoever asks for it again gets as many attempts again.
    await ready(client, server_id, spec_of(image, "fickle"))

    async def restarted_again() -> bool:
        return (await client.server(server_id)).restarts > 4

    await eventually(restarted_again, 30)


async def test_a_container_that_somebody_removes_comes_back(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop"))
    engine.containers.get(before.container).remove(force=True)

    async def back() -> bool:
        state = await client.server(server_id)
        return state.phase is Phase.RUNNING and state.container != before.container

    await eventually(back)


async def test_running_out_of_memory_is_logged(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop", resources=Resources(memory_mb=64)))
    with pytest.raises(Exception, match="stopped while"):
        await say(client, server_id, "hog")

    async def told() -> bool:
        lines = [line.text async for batch in client.logs(server_id) for line in batch]
        return any("memory limit of 64 MB reached" in line for line in lines) and any("OOM-killed" in line for line in lines)

    await eventually(told)
