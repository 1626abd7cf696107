"""What servers use, sampled by DTMA and told as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from dtma_client import DtmaClient, DtmaFault, ServerNotFound
from dtma_wire import Egress, Resources, Sessions, Stats, Volume
from tests.dtma.agent import Agent, ready, say, spec_of

MB = 1024 * 1024


@pytest.fixture
async def client(make_agent: Callable[..., Agent]) -> AsyncIterator[DtmaClient]:
    """Of a DTMA that samples often."""
    async with DtmaClient(make_agent(stats_seconds=0.2).start().endpoint) as client:
        yield client


async def until(client: DtmaClient, server_id: str, condition: Callable[[Stats], bool]) -> Stats:
    """The first sample from now on of which it is so."""
    sample: Stats | None = None
    try:
        async with asyncio.timeout(30), aclosing(client.stats(server_id, tail=0, follow=True)) as samples:
            async for sample in samples:
                if condition(sample):
                    return sample
    except TimeoutError:
        pass
    raise AssertionError(f"not so of any sample; the last is {sample}")


async def test_a_busy_server_and_an_idle_one(client: DtmaClient, image: str, server_id: str) -> None:
    idle, busy = server_id, f"{server_id}b"
    for one in (idle, busy):
        await ready(client, one, spec_of(image, "consumer", resources=Resources(memory_mb=256)))
    await say(client, busy, "burn_behind", seconds=60)
    hot = await until(client, busy, lambda sample: (sample.cpu_percent or 0) > 30)
    calm = await until(client, idle, lambda sample: sample.cpu_percent is not None and sample.cpu_percent < 10)
    assert hot.cpu_seconds > calm.cpu_seconds > 0
    assert hot.memory_limit_bytes == calm.memory_limit_bytes == 256 * MB
    assert MB < calm.memory_bytes <= (calm.memory_peak_bytes or 0) < 256 * MB
    assert hot.pids > calm.pids >= 2
    assert (calm.containers, calm.out_of_memory_kills) == (1, 0)
    assert (calm.network_received_bytes, calm.network_sent_bytes) == (0, 0)  # it has no network


async def test_following_begins_with_what_is_known(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    await until(client, server_id, lambda sample: sample.cpu_percent is not None)
    known = [sample async for sample in client.stats(server_id)]
    assert len(known) >= 2
    assert known[0].cpu_percent is None  # there is no time before the first
    followed: list[Stats] = []
    async with aclosing(client.stats(server_id, follow=True)) as samples:
        async for sample in samples:
            followed.append(sample)
            if len(followed) == len(known) + 3:
                break
    assert followed[: len(known)] == known
    assert [sample.at for sample in followed] == sorted({sample.at for sample in followed})
    assert len([sample async for sample in client.stats(server_id, tail=2)]) == 2


async def test_throttling_is_told(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer", resources=Resources(cpus=0.1)))
    before = await until(client, server_id, lambda sample: True)
    await say(client, server_id, "burn_behind", seconds=60)
    after = await until(client, server_id, lambda sample: (sample.throttled_seconds or 0) > (before.throttled_seconds or 0) + 0.2)
    assert after.cpu_percent is not None


async def test_killed_processes_are_counted(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer", resources=Resources(memory_mb=64)))
    assert (await until(client, server_id, lambda sample: True)).out_of_memory_kills == 0
    assert await say(client, server_id, "lose_a_child") == "9"
    assert (await until(client, server_id, lambda sample: sample.out_of_memory_kills > 0)).out_of_memory_kills == 1
    assert await say(client, server_id, "lose_a_child") == "9"
    assert (await until(client, server_id, lambda sample: sample.out_of_memory_kills > 1)).out_of_memory_kills == 2


async def test_what_is_written_and_sent(client: DtmaClient, image: str, server_id: str) -> None:
    spec = spec_of(image, "consumer", egress=Egress.OPEN, volumes=(Volume(name="data", path="/data"),))
    await ready(client, server_id, spec)
    before = await until(client, server_id, lambda sample: True)
    await say(client, server_id, "write", bytes=3 * MB)
    sent = int(await say(client, server_id, "send", bytes=200_000))
    after = await until(
        client,
        server_id,
        lambda sample: (
            (sample.block_written_bytes or 0) >= (before.block_written_bytes or 0) + 3 * MB
            and (sample.network_sent_bytes or 0) >= (before.network_sent_bytes or 0) + sent
        ),
    )
    assert after.block_read_bytes is not None


async def test_a_restart_is_no_fall_of_a_counter(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    used = float(await say(client, server_id, "burn", seconds=0.5))
    await until(client, server_id, lambda sample: sample.cpu_seconds >= used)
    await client.restart(server_id)
    await until(client, server_id, lambda sample: sample.cpu_percent is not None)
    samples = [sample async for sample in client.stats(server_id)]
    counters = [sample.cpu_seconds for sample in samples]
    assert counters == sorted(counters)
    assert counters[-1] > used
    assert min(sample.cpu_percent for sample in samples if sample.cpu_percent is not None) >= 0


async def test_a_stopped_server_has_no_new_samples(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    await until(client, server_id, lambda sample: True)
    await client.stop(server_id)
    last = [sample async for sample in client.stats(server_id)][-1]
    following = asyncio.create_task(until(client, server_id, lambda sample: True))
    await client.start(server_id)
    assert (await following).at > last.at


async def test_followers_hear_the_end_of_a_server(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    following = client.stats(server_id, follow=True)
    await anext(following)
    await client.delete(server_id)
    async with asyncio.timeout(20):
        async for _ in following:
            pass
    with pytest.raises(ServerNotFound):
        await anext(client.stats(server_id))


async def test_a_wrong_parameter_is_named(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    with pytest.raises(DtmaFault, match="tail"):
        await anext(client.stats(server_id, tail=-1))


async def test_a_new_dtma_carries_on(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent(stats_seconds=0.2).start()
    async with DtmaClient(agent.endpoint) as client:
        await ready(client, server_id, spec_of(image, "consumer"))
        used = float(await say(client, server_id, "burn", seconds=0.3))
    agent.kill()
    agent.start()
    async with DtmaClient(agent.endpoint) as client:
        assert (await until(client, server_id, lambda sample: True)).cpu_seconds >= used


async def test_all_containers_of_a_server_are_summed(client: DtmaClient, image: str, server_id: str) -> None:
    spec = spec_of(image, "consumer", sessions=Sessions(mode="own", most=2), resources=Resources(memory_mb=64))
    await ready(client, server_id, spec)
    one = await until(client, server_id, lambda sample: True)
    async with DtmaClient(client.endpoint) as other:
        await asyncio.gather(*(say(each, server_id, "burn", seconds=0.1) for each in (client, other)))
        several = await until(client, server_id, lambda sample: sample.containers == one.containers + 2)
    assert several.memory_limit_bytes == 64 * MB * several.containers
    assert several.cpu_seconds > one.cpu_seconds + 0.1
    assert several.memory_peak_bytes is None
    await client.restart(server_id)
    again = await until(client, server_id, lambda sample: sample.containers == one.containers)
    assert again.cpu_seconds >= several.cpu_seconds
