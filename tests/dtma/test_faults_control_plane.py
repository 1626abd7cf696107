"""The control plane is away for long: what happens meanwhile is told when it is back, and nothing waits for it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from dtma_client import DtmaClient, McpError
from dtma_wire import Phase, ServerState
from tests.dtma.agent import Agent, eventually, ready, say, spec_of
from tests.dtma.control import ControlPlane


class Absent(ControlPlane):
    """Refuses, and takes down when it was tried."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: list[float] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            self.tried.append(time.monotonic())
        return await super().take(request)

    def newest(self) -> dict[str, ServerState]:
        """What it knows by now of all servers that the last heartbeat named."""
        known = {state.id: state for beat in self.heard for state in beat.servers}
        named = {*(state.id for state in self.heard[-1].servers), *self.heard[-1].unchanged}
        return {server_id: known[server_id] for server_id in named}


async def test_what_happened_while_the_control_plane_was_away(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = Absent()
    async with control.listening():
        agent = make_agent(control_url=control.url, heartbeat_seconds=0.2)
        await asyncio.to_thread(agent.start)
        crashed, restarted, deleted, added = (f"{server_id}-{name}" for name in ("crashed", "restarted", "deleted", "added"))
        async with DtmaClient(agent.endpoint) as client:
            before = {one: await ready(client, one, spec_of(image, "workshop")) for one in (crashed, restarted, deleted)}

            async def knows(phases: dict[str, Phase]) -> bool:
                return {one: state.phase for one, state in control.newest().items()} == phases if control.heard else False

            await eventually(lambda: knows(dict.fromkeys(before, Phase.RUNNING)))
            control.status = 503
            with pytest.raises(McpError, match="while this call was open"):
                await say(client, crashed, "crash")
            await client.restart(restarted, generation=2)
            await client.delete(deleted)
            await ready(client, added, spec_of(image, "workshop"))
            await client.stop(added, generation=2)

            async def running_again() -> bool:
                state = await client.server(crashed)
                return state.phase is Phase.RUNNING and state.container != before[crashed].container

            await eventually(running_again)

            async def tried_thrice() -> bool:
                return len(control.tried) >= 3

            await eventually(tried_thrice)
            # Longer and longer pauses, whatever changed meanwhile.
            pauses = [later - earlier for earlier, later in itertools.pairwise(control.tried)]
            assert all(pause > 0.9 * 2**number for number, pause in enumerate(pauses))
            control.status = 200
            await eventually(lambda: knows({crashed: Phase.RUNNING, restarted: Phase.RUNNING, added: Phase.STOPPED}), 20)
            now = control.newest()
            assert {one: (state.revision, state.container, state.restarts) for one, state in now.items()} == {
                state.id: (state.revision, state.container, state.restarts) for state in await client.servers()
            }
            assert (now[crashed].restarts, now[restarted].generation, now[added].generation) == (1, 2, 2)
