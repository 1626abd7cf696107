"""What becomes of a server that ended by itself after it had been ready, as its restart policy says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dtma.errors import Failure
from dtma.servers.ending import stays_ended
from dtma_client import DtmaClient, DtmaError
from dtma_wire import Phase, RestartPolicy, ServerState
from tests.dtma.agent import Agent, deploy, eventually, ready, say, spec_of

ALWAYS, ON_FAILURE, NEVER = RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE, RestartPolicy.NEVER


async def end(client: DtmaClient, server_id: str, code: int) -> None:
    """Let it end by itself, with this exit code."""
    with suppress(DtmaError):
        await client.mcp(server_id).call_tool("crash", {"code": code}, 20)


async def until_phase(client: DtmaClient, server_id: str, phase: Phase, *, after: ServerState) -> ServerState:
    async def is_there() -> ServerState | None:
        state = await client.server(server_id)
        return state if state.phase is phase and state.revision > after.revision else None

    state = await eventually(is_there, 30)
    assert state is not None
    return state


@pytest.mark.parametrize(("policy", "code"), [(ALWAYS, 0), (ALWAYS, 7), (ON_FAILURE, 7)])
async def test_it_is_started_again(client: DtmaClient, image: str, server_id: str, policy: RestartPolicy, code: int) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop", restart=policy))
    await end(client, server_id, code)
    after = await until_phase(client, server_id, Phase.RUNNING, after=before)
    assert (after.restarts, after.container == before.container) == (1, False)


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        (
            NEVER,
            7,
            Phase.CRASHED,
            "The server exited with code 7 while it was running. It is not started again: its restart policy says never.",
        ),
        (NEVER, 0, Phase.STOPPED, "It ended by itself, with exit code 0. It is not started again: its restart policy says never."),
        (
            ON_FAILURE,
            0,
            Phase.STOPPED,
            "It ended by itself, with exit code 0. It is not started again: its restart policy says only after a failure.",
        ),
    ],
)
async def test_it_stays_as_it_is_until_somebody_starts_it(
    client: DtmaClient, image: str, server_id: str, policy: RestartPolicy, code: int, phase: Phase, reason: str
) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop", restart=policy))
    await end(client, server_id, code)
    ended = await until_phase(client, server_id, phase, after=before)
    assert (ended.reason, ended.exit_code, ended.restarts) == (reason, code, 0)
    await asyncio.sleep(0.5)  # five times the pause before a restart
    assert (await client.server(server_id)).revision == ended.revision
    started = await client.start(server_id, generation=2)
    assert (started.phase, started.exit_code, started.reason) == (Phase.RUNNING, None, "")


async def test_the_policy_is_changed_without_a_restart(client: DtmaClient, image: str, server_id: str) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop"))
    session = await say(client, server_id, "session")
    _, settled = await deploy(client, server_id, spec_of(image, "workshop", restart=NEVER, generation=2))
    assert (settled.ready, settled.server.container, settled.server.generation) == (True, before.container, 2)
    assert await say(client, server_id, "session") == session
    await end(client, server_id, 7)
    ended = await until_phase(client, server_id, Phase.CRASHED, after=settled.server)
    assert ended.reason.endswith("its restart policy says never.")
    # And back: whoever wants it always running gets it running.
    _, again = await deploy(client, server_id, spec_of(image, "workshop", generation=3))
    assert (again.ready, again.server.phase) == (True, Phase.RUNNING)


async def test_after_a_restart_of_dtma_what_is_desired_counts(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, spec_of(image, "workshop", restart=NEVER))
        await end(client, server_id, 0)
        ended = await until_phase(client, server_id, Phase.STOPPED, after=before)
        agent.stop()
        agent.start()
        after = await until_phase(client, server_id, Phase.RUNNING, after=ended)
        assert (after.restarts, after.reason) == (0, "")


@pytest.mark.parametrize(
    ("failure", "policy", "stays"),
    [
        ({"exit_code": 0}, ALWAYS, None),
        ({"exit_code": 1}, ON_FAILURE, None),
        ({"exit_code": None, "phase": Phase.UNHEALTHY}, ON_FAILURE, None),
        ({"exit_code": None, "phase": Phase.UNHEALTHY}, NEVER, Phase.UNHEALTHY),
        ({"exit_code": 137}, NEVER, Phase.CRASHED),
        ({"exit_code": None}, ON_FAILURE, None),
        ({"exit_code": 0}, ON_FAILURE, Phase.STOPPED),
    ],
)
def test_what_each_policy_makes_of_each_end(failure: dict[str, Any], policy: RestartPolicy, stays: Phase | None) -> None:
    told = stays_ended(Failure("It ended.", **failure), policy)
    assert (told.phase if told else None) is stays
