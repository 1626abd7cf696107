"""What heartbeats tell of the use of servers: all of it, once, whatever happens to heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from dtma.observing.gauges import Figures, Files, Gauges
from dtma.observing.stats import Sampler
from dtma.observing.telling import MOST, Telling
from dtma.observing.totals import Totals
from dtma_client import DtmaClient
from dtma_wire import Heartbeat, Resources, ServerUsage
from tests.dtma.agent import Agent, eventually, ready, say, spec_of
from tests.dtma.control import ControlPlane

MB = 1024 * 1024
IDLE = Figures(0, 0, 10 * MB, 64 * MB, None, 0, 1, 0, 0, 0, 0)


class Given(Gauges):
    """Gauges that show what they are told to."""

    def __init__(self, figures: Figures = IDLE) -> None:
        super().__init__(Files(), None)
        self.shown = figures

    def figures(self) -> Figures:
        return self.shown

    def cpu_seconds(self) -> float:
        return self.shown.cpu_seconds

    def memory(self) -> tuple[int, int]:
        return self.shown.memory_bytes, 0

    def renew_peak(self) -> None:
        raise OSError

    def renewed_peak(self) -> int | None:
        return None

    def use(self, cpu_seconds: float = 0, sent: int = 0) -> None:
        """So much more."""
        now = self.shown
        sent += now.network_sent_bytes or 0
        self.shown = replace(now, cpu_seconds=now.cpu_seconds + cpu_seconds, network_sent_bytes=sent)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def running(sampler: Sampler, server_id: str = "a", figures: Figures = IDLE, *, found: bool = False) -> Given:
    gauges = Given(figures)
    sampler.usage(server_id).add(f"container of {server_id}", gauges, found=found)
    return gauges


def pass_time(clock: Clock, sampler: Sampler, seconds: float = 60) -> None:
    for _ in range(int(seconds / 5)):
        clock.now += 5
        for _, usage in sampler.servers:
            usage.sample()


def test_a_minute_is_told_once_a_minute(clock: Clock) -> None:
    sampler = Sampler(5)
    telling, gauges = Telling(sampler, 60, clock), running(sampler)
    gauges.use(cpu_seconds=15, sent=700)
    pass_time(clock, sampler, 55)
    assert telling.compose(1).usage == ()
    pass_time(clock, sampler, 5)
    told = telling.compose(2)
    assert (told.first, told.more) == (2, False)
    (one,) = told.usage
    expected = ServerUsage(
        id="a", seconds=60, cpu_percent=25, memory_bytes=10 * MB, memory_limit_bytes=64 * MB,
        received_bytes=0, sent_bytes=700, out_of_memory_kills=0,
    )  # fmt: skip
    assert one == expected
    telling.acknowledge()
    assert telling.compose(3).usage == ()
    pass_time(clock, sampler)
    (next_one,) = telling.compose(4).usage
    assert (next_one.seconds, next_one.cpu_percent, next_one.sent_bytes) == (60, 0, 0)


def test_what_is_not_acknowledged_is_told_again_and_the_rest_after_it(clock: Clock) -> None:
    sampler = Sampler(5)
    telling, gauges = Telling(sampler, 60, clock), running(sampler)
    gauges.use(sent=1)
    pass_time(clock, sampler)
    lost = telling.compose(7)
    gauges.use(sent=10)
    pass_time(clock, sampler, 600)
    assert telling.compose(8) is lost, "so that one who has taken it can tell"
    telling.acknowledge()
    pass_time(clock, sampler)
    (rest,) = telling.compose(9).usage
    assert (lost.first, lost.usage[0].sent_bytes) == (7, 1)
    assert (rest.seconds, rest.sent_bytes) == (660, 10)


def test_a_minute_is_counted_from_when_it_was_due(clock: Clock) -> None:
    sampler = Sampler(5)
    telling = Telling(sampler, 60, clock)
    running(sampler)
    told_at = []
    for sequence in range(100):
        pass_time(clock, sampler, 15)
        clock.now += 0.4  # each heartbeat is a little late
        if telling.compose(sequence).usage:
            told_at.append(clock.now)
            telling.acknowledge()
    gaps = [later - earlier for earlier, later in pairwise(told_at)]
    assert sum(gaps) / len(gaps) == pytest.approx(60, abs=1)
    assert max(gaps) < 78


def test_one_that_did_not_run_is_not_told(clock: Clock) -> None:
    sampler = Sampler(5)
    telling = Telling(sampler, 60, clock)
    sampler.usage("stopped")
    gauges = running(sampler, "short")
    gauges.use(cpu_seconds=2)
    clock.now += 4
    sampler.usage("short").remove("container of short")
    pass_time(clock, sampler, 60)
    (short,) = telling.compose(1).usage
    assert (short.id, short.seconds, short.cpu_percent) == ("short", 4, 50)
    telling.acknowledge()
    pass_time(clock, sampler, 60)
    assert telling.compose(2).usage == ()


def test_what_a_container_used_before_it_was_found_is_not_told(clock: Clock) -> None:
    sampler = Sampler(5)
    telling = Telling(sampler, 60, clock)
    past = replace(IDLE, cpu_seconds=5000, network_sent_bytes=10**9, out_of_memory_kills=3)
    gauges = running(sampler, figures=past, found=True)
    gauges.use(cpu_seconds=6)
    pass_time(clock, sampler)
    (told,) = telling.compose(1).usage
    assert (told.cpu_percent, told.sent_bytes, told.out_of_memory_kills) == (10, 0, 0)


def test_one_container_after_the_other_adds_up(clock: Clock) -> None:
    sampler = Sampler(5)
    telling = Telling(sampler, 60, clock)
    for _ in range(3):
        gauges = running(sampler)
        gauges.use(sent=100)
        pass_time(clock, sampler, 20)
        gauges.use(sent=1)
        sampler.usage("a").remove("container of a")
    (told,) = telling.compose(1).usage
    assert (told.seconds, told.sent_bytes) == (60, 303)


def test_many_servers_are_told_in_several_heartbeats(clock: Clock) -> None:
    sampler = Sampler(5)
    telling = Telling(sampler, 60, clock)
    names = {f"server-{number}" for number in range(2 * MOST + 50)}
    for name in names:
        running(sampler, name)
    pass_time(clock, sampler)
    heard: list[str] = []
    for sequence, count in enumerate((MOST, MOST, 50), 1):
        told = telling.compose(sequence)
        assert (len(told.usage), told.more, told.first) == (count, count == MOST, sequence)
        heard += [usage.id for usage in told.usage]
        telling.acknowledge()
        pass_time(clock, sampler, 5)
    assert sorted(heard) == sorted(names)
    assert telling.compose(9).usage == ()


def test_a_killed_process_is_told_of_a_server_that_has_ended(clock: Clock) -> None:
    sampler = Sampler(5)
    running(sampler)
    sampler.usage("a").remove("container of a")
    telling = Telling(sampler, 60, clock)
    sampler.usage("a").killed("container of a")
    clock.now += 60
    (told,) = telling.compose(1).usage
    assert (told.seconds, told.out_of_memory_kills, told.cpu_percent) == (0, 1, None)


def test_what_is_not_told_once_is_not_told_of_the_time() -> None:
    assert Totals(1.0, 1.0, None, 5).since(Totals()).received_bytes is None
    assert Totals(1.0, 1.0, 7, None).since(Totals(0.5, 0.5, 3, None)) == Totals(0.5, 0.5, 4, None)


# --- a real DTMA, real containers ---


def told_of(control: ControlPlane, server_id: str) -> list[ServerUsage]:
    """Each block once, as the control plane counts them."""
    blocks: dict[int, Heartbeat] = {beat.usage_first: beat for beat in control.heard if beat.usage}
    return [usage for _, beat in sorted(blocks.items()) for usage in beat.usage if usage.id == server_id]


async def test_all_that_a_busy_server_used_is_told(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.interval = 1.0
    async with control.listening():
        agent = make_agent(control_url=control.url, stats_seconds=0.2, usage_seconds=1)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "consumer", resources=Resources(memory_mb=64)))
            used = float(await say(client, server_id, "burn", seconds=1.0))
            control.status = 500
            used += float(await say(client, server_id, "burn", seconds=1.0))
            assert await say(client, server_id, "lose_a_child") == "9"
            control.status = 200
            await client.stop(server_id)
            last = [sample async for sample in client.stats(server_id)][-1]

            async def all_is_told() -> bool:
                cpu = sum((usage.cpu_percent or 0) * usage.seconds / 100 for usage in told_of(control, server_id))
                kills = sum(usage.out_of_memory_kills for usage in told_of(control, server_id))
                return last.cpu_seconds - 0.05 < cpu < last.cpu_seconds + 1 and kills == 1

            await eventually(all_is_told, 30)
    told = told_of(control, server_id)
    assert last.cpu_seconds > used - 0.5  # it was sampled up to 0.2 s before the end
    assert max(usage.cpu_percent or 0 for usage in told) > 30
    assert {usage.memory_limit_bytes for usage in told} == {64 * MB}
    assert all(MB < (usage.memory_bytes or 0) < 64 * MB for usage in told if usage.memory_bytes is not None)


async def test_a_new_dtma_tells_only_what_it_saw(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.interval = 1.0
    async with control.listening():
        agent = make_agent(control_url=control.url, stats_seconds=0.2, usage_seconds=1)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "consumer"))
            used = float(await say(client, server_id, "burn", seconds=3.0))
        await asyncio.to_thread(agent.kill)
        control.heard.clear()
        await asyncio.to_thread(agent.start)
        await control.hears(lambda beat: any(usage.id == server_id and usage.seconds for usage in beat.usage), 30)
    first = next(usage for beat in control.heard for usage in beat.usage if usage.id == server_id)
    assert first.cpu_percent is not None
    assert first.cpu_percent * first.seconds / 100 < used / 2
