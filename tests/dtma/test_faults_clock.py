"""The clock of the host jumps by a day, either way: nothing but the time that is shown may notice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from docker import DockerClient

from dtma_client import DtmaClient
from dtma_wire import LogLine, Phase, ServerState
from tests.dtma.agent import Agent, eventually, ready, say, spec_of, until
from tests.dtma.control import ControlPlane
from tests.dtma.test_restart import write_to

LIBRARIES = "*/faketime/libfaketime.so.1"


@pytest.fixture(scope="session")
def faketime() -> Path:
    """The library that gives one process a clock of its own."""
    return next(Path("/usr/lib").glob(LIBRARIES))


class Clock:
    """The clock of one DTMA; the time since its start goes on as ever."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.set("+0")
        settings = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        self.through = ("env", *(f"{name}={value}" for name, value in settings.items()))

    def set(self, offset: str) -> None:
        """Jump."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)


async def test_the_clock_jumps(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient, faketime: Path, tmp_path: Path
) -> None:
    clock = Clock(faketime, tmp_path / "clock")
    control = ControlPlane()
    control.interval = 1
    async with control.listening():
        agent = make_agent(through=clock.through, control_url=control.url, probe_seconds=0.2)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            first = await ready(client, server_id, spec_of(image, "workshop"))
            followed: list[LogLine] = []

            async def follow() -> None:
                async for batch in client.logs(server_id, follow=True):
                    followed.extend(batch)

            following = asyncio.create_task(follow())
            state = first
            for number, offset in enumerate(("+1d", "-1d", "+0", "-1d")):
                clock.set(offset)
                heard = len(control.heard)
                await say(client, server_id, "shout", text=f"round {number}")
                assert await say(client, server_id, "slow", steps=20) == "done"
                assert (await client.server(server_id)).container == state.container
                state = await client.restart(server_id)
                assert state.phase is Phase.RUNNING
                assert state.container != first.container

                async def told(since: int = heard) -> bool:
                    return len(control.heard) > since + 1

                await eventually(told, 20)

            # What was printed while no DTMA was there is found, though the newest line is of a day that is yet to come.
            await asyncio.to_thread(agent.kill)
            talk = b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"shout","arguments":{"text":"alone"}}}\n'
            write_to(state.container, talk)
            await asyncio.to_thread(until, lambda: b"alone 0" in engine.containers.get(state.container).logs())
            following.cancel()
            await asyncio.to_thread(agent.start)

            async def found() -> ServerState | None:
                now = await client.server(server_id)
                return now if now.phase is Phase.RUNNING else None

            again = await eventually(found)
            assert again is not None
            assert (again.container, again.restarts) == (state.container, 0)
            lines = [line async for batch in client.logs(server_id) for line in batch]
            assert [line.text for line in lines if line.stream == "stderr"] == [*(f"round {number} 0" for number in range(4)), "alone 0"]
            assert all(earlier.ts < later.ts for earlier, later in itertools.pairwise(lines))
            assert followed == lines[: len(followed)]
            later = [line async for batch in client.logs(server_id, since=lines[4].ts) for line in batch]
            assert later == lines[5:]
    order = [(beat.epoch, beat.sequence, beat.revision) for beat in control.heard]
    assert order == sorted(set(order))
    assert {Phase.RUNNING, Phase.STARTING} >= set(control.phases(server_id)) - {Phase.PREPARING, Phase.UNKNOWN}
    assert len({beat.sent_at.date() for beat in control.heard}) == 3
    until(lambda: "Traceback" not in agent.output)
