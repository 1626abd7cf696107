"""What the control plane hears, and when."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable

import psutil
import pytest

from dtma_client import DtmaClient, StaleGeneration
from dtma_wire import WIRE_VERSION, Phase, Wanted
from tests.dtma.agent import Agent, deploy, eventually, ready, spec_of, until
from tests.dtma.control import ControlPlane


async def test_changes_are_told_at_once_and_tools_once(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    async with control.listening():
        agent = make_agent(control_url=control.url, heartbeat_seconds=60)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            state = await ready(client, server_id, spec_of(image, "workshop"))

            # The next regular heartbeat is half a minute away: only a change can bring one.
            async def told(phase: Phase) -> bool:
                return control.phases(server_id)[-1:] == [phase]

            await eventually(lambda: told(Phase.RUNNING), 3)
            first = control.states(server_id)[-1]
            assert (first.tools, first.tools_hash) == (state.tools, state.tools_hash)
            await client.stop(server_id)
            await eventually(lambda: told(Phase.STOPPED), 3)
            later = control.states(server_id)[-1]
            assert (later.tools, later.tools_hash) == (None, state.tools_hash)
            await client.delete(server_id)

            async def gone() -> bool:
                return server_id not in {*control.heard[-1].unchanged, *(one.id for one in control.heard[-1].servers)}

            await eventually(gone, 3)
    assert set(control.peers) == {agent.toolbox}
    assert [beat.sequence for beat in control.heard] == sorted({beat.sequence for beat in control.heard})
    assert {(beat.epoch, beat.wire_version) for beat in control.heard} == {(1, WIRE_VERSION)}
    assert control.heard[-1].info.engine_version
    assert all(beat.revision >= max((one.revision for one in beat.servers), default=0) for beat in control.heard)


async def test_a_control_plane_that_is_away_is_told_everything_later(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.status = 500
    async with control.listening():
        agent = make_agent(control_url=control.url, heartbeat_seconds=0.2)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "workshop"))
            await asyncio.to_thread(until, lambda: "does not take heartbeats: it answered HTTP 500" in agent.output)
            control.status = 200

            async def told() -> bool:
                return bool(control.heard)

            await eventually(told, 15)
            assert control.phases(server_id) == [Phase.RUNNING]
            assert control.heard[0].servers[0].tools is not None
    assert agent.output.count("does not take heartbeats") == 1


async def test_only_changes_are_told_and_everything_when_asked_for(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.interval = 1.0
    quiet, busy = f"{server_id}q", f"{server_id}b"

    async def quiet_is_known() -> bool:
        return quiet in control.heard[-1].unchanged and busy in control.heard[-1].unchanged

    async with control.listening():
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, quiet, spec_of(image, "workshop"))
            await ready(client, busy, spec_of(image, "workshop"))
            await eventually(quiet_is_known)
            calm = len(control.heard)
            await client.stop(busy)

            async def told() -> bool:
                return control.phases(busy)[-1:] == [Phase.STOPPED]

            await eventually(told)
            later = control.heard[calm:]
            assert all(quiet in beat.unchanged and not any(state.id == quiet for state in beat.servers) for beat in later)
            assert all(beat.since == before.sequence for before, beat in zip(control.heard, control.heard[1:], strict=False))
            control.resend = True

            async def complete() -> bool:
                return control.heard[-1].since == 0 and {quiet, busy} <= {state.id for state in control.heard[-1].servers}

            await eventually(complete)
            assert control.states(quiet)[-1].tools is not None
            await eventually(quiet_is_known)


async def test_what_was_not_acknowledged_is_told_again(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    async with control.listening():
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "workshop"))

            async def running() -> bool:
                return control.phases(server_id)[-1:] == [Phase.RUNNING]

            await eventually(running)
            control.status = 500
            await client.stop(server_id)
            await asyncio.to_thread(until, lambda: "does not take heartbeats: it answered HTTP 500" in agent.output)
            control.status = 200

            async def stopped() -> bool:
                return control.phases(server_id)[-1:] == [Phase.STOPPED]

            await eventually(stopped, 15)


async def test_a_heartbeat_tells_how_busy_the_host_is(make_agent: Callable[..., Agent]) -> None:
    control = ControlPlane()
    control.interval = 1
    async with control.listening():
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        await control.hears(lambda beat: beat.load is not None and beat.load.cpu_percent is not None)
    first, *_, last = [beat.load for beat in control.heard]
    assert first is not None
    assert last is not None
    assert first.cpu_percent is None
    assert last.cpu_percent is not None
    assert 0 <= last.cpu_percent <= 100
    assert abs(last.memory_used_bytes - (psutil.virtual_memory().total - psutil.virtual_memory().available)) < 2**30
    assert abs(last.disk_used_bytes - psutil.disk_usage(str(agent.home)).used) < 2**30
    info = control.heard[-1].info
    assert (info.arch, info.kernel) == (os.uname().machine, os.uname().release)
    assert info.system == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert abs(info.disk_bytes - psutil.disk_usage(str(agent.home)).total) < 2**20


# --- what is wanted ---


async def test_what_shall_be_stopped_or_absent_is_so_at_once(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    stopped, absent = f"{server_id}s", f"{server_id}a"
    async with control.listening():
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            for one in (stopped, absent):
                await ready(client, one, spec_of(image, "workshop"))
            await control.hears(lambda beat: {stopped, absent} <= {*beat.unchanged, *(state.id for state in beat.servers)})
            control.wanted = (
                Wanted(id=stopped, generation=2, desired="stopped"),
                Wanted(id=absent, generation=3, desired="absent", volumes="remove"),
                Wanted(id=f"{server_id}unknown", generation=1, desired="absent"),
                Wanted(id=f"{server_id}new", generation=1, desired="running"),
            )
            control.interval = 1
            await client.restart(stopped)  # so that a heartbeat comes, which is answered with that
            await control.hears(lambda beat: beat.unchanged == (stopped,) and control.phases(stopped)[-1] is Phase.STOPPED)
            state = await client.server(stopped)
            assert (state.phase, state.generation) == (Phase.STOPPED, 2)
            with pytest.raises(StaleGeneration):
                await deploy(client, absent, spec_of(image, "workshop", generation=2))
            # It is said again and again, and changes nothing any more.
            told = len(control.heard)
            await control.hears(lambda beat: beat.sequence > told + 2)
            assert (await client.server(stopped)).revision == state.revision
            await ready(client, stopped, spec_of(image, "workshop", generation=3))
            await control.hears(lambda beat: control.phases(stopped)[-1] is Phase.RUNNING)
            assert (await client.server(stopped)).generation == 3  # an older wish changes nothing
    assert "Traceback" not in agent.output


async def test_heartbeats_go_on_while_a_wish_is_carried_out(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.interval = 1
    async with control.listening():
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            # It does not hear that it should end, so its container takes five seconds to stop.
            deaf = (
                "import runpy, signal, sys; signal.signal(15, signal.SIG_IGN); sys.path.append('/srv'); runpy.run_path('/srv/workshop.py')"
            )
            await ready(client, server_id, spec_of(image, "workshop").model_copy(update={"arguments": ("python", "-c", deaf)}))
            control.wanted = (Wanted(id=server_id, generation=2, desired="stopped"),)
            before = len(control.heard)
            await control.hears(lambda beat: control.phases(server_id)[-1] is Phase.STOPPED, 20)
            assert len(control.heard) - before > 3
