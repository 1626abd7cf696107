"""A server's log: at once, from anywhere, bounded."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dtma.observing.log_file import FILE_BYTES
from dtma.observing.log_lines import LINE_CHARACTERS
from dtma.observing.logs import LogBook
from dtma_client import DtmaClient
from dtma_wire import LogLine, Phase
from tests.dtma.agent import Agent, eventually, ready, say, spec_of


async def test_a_line_arrives_while_it_is_followed(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    for stream in ("stderr", "stdout"):
        async with aclosing(client.logs(server_id, tail=1, follow=True)) as batches:
            await anext(batches)  # what was there before: from here on lines are followed
            await say(client, server_id, "shout", text=f"hello {stream}", stream=stream)
            batch = await asyncio.wait_for(anext(batches), 30)
        assert [(line.stream, line.text) for line in batch] == [(stream, f"hello {stream} 0")]


async def test_tail_and_since(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    await say(client, server_id, "shout", text="line", count=50)

    async def fetch(tail: int | None = None, since: datetime | None = None) -> list[LogLine]:
        return [line async for batch in client.logs(server_id, tail, since) for line in batch if line.stream == "stderr"]

    everything = await fetch()
    assert [line.text for line in everything] == [f"line {number}" for number in range(50)]
    assert [line.text for line in await fetch(tail=3)] == ["line 47", "line 48", "line 49"]
    assert await fetch(tail=0) == []
    assert await fetch(since=everything[9].ts) == everything[10:]
    assert await fetch(tail=2, since=everything[9].ts) == everything[48:]
    assert await fetch(since=datetime.now(UTC)) == []


async def test_following_resumes_without_losing_or_repeating_a_line(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    await say(client, server_id, "shout", text="a", count=10)
    seen: list[LogLine] = []
    stream = client.logs(server_id, follow=True)
    async for batch in stream:
        seen += batch
        if any(line.text == "a 9" for line in seen):
            break
    await stream.aclose()
    await say(client, server_id, "shout", text="b", count=10)
    stream = client.logs(server_id, since=seen[-1].ts, follow=True)
    async for batch in stream:
        seen += batch
        if any(line.text == "b 9" for line in seen):
            break
    await stream.aclose()
    expected = [f"{letter} {number}" for letter in "ab" for number in range(10)]
    assert [line.text for line in seen if line.stream == "stderr"] == expected


async def test_a_burst_arrives_whole(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    burst: list[str] = []
    async with aclosing(client.logs(server_id, tail=1, follow=True)) as batches:
        await anext(batches)
        telling = asyncio.create_task(say(client, server_id, "shout", text="burst", count=100_000))
        async for batch in batches:
            burst += [line.text for line in batch]
            if len(burst) >= 100_000:
                break
        await telling
    assert burst == [f"burst {number}" for number in range(100_000)]


def test_the_log_on_disk_is_bounded_and_private(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    for number in range(5000):
        log.add("stderr", [f"{number} " + "x" * 10_000])
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"s.ndjson", "s.ndjson.1"}
    assert max(sizes.values()) <= FILE_BYTES
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    last = lines_of(log, tail=1600)
    assert [line.text.split()[0] for line in last] == [str(number) for number in range(3400, 5000)]
    log.close()
    again = LogBook(tmp_path, "s")
    assert again.latest == last[-1].ts
    again.close()


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    log.add("stderr", ["y" * (LINE_CHARACTERS + 1)])
    assert log.last[0].text.endswith(f"… ({LINE_CHARACTERS + 1} characters)")
    log.close()


async def test_no_repeated_line_is_lost_or_doubled_while_dtma_is_away(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        await ready(client, server_id, spec_of(image, "consumer"))
        await say(client, server_id, "tick")  # in bursts so far apart that a busy machine takes one before the next
        await read_until(client, server_id, 9)
    for number in range(2, 4):
        agent.kill()
        agent.start()
        async with DtmaClient(agent.endpoint) as client:
            await read_until(client, server_id, 9 * number)
    async with DtmaClient(agent.endpoint) as client:
        await eventually(lambda: is_running(client, server_id), 30)
        printed = int(await say(client, server_id, "stop_ticking"))
        assert len(await read_until(client, server_id, printed)) == printed


async def is_running(client: DtmaClient, server_id: str) -> bool:
    return (await client.server(server_id)).phase is Phase.RUNNING


async def read_until(client: DtmaClient, server_id: str, count: int) -> list[LogLine]:
    """All lines of standard error, once there are so many."""
    lines: list[LogLine] = []
    async with asyncio.timeout(30), aclosing(client.logs(server_id, follow=True)) as batches:
        async for batch in batches:
            lines += [line for line in batch if line.stream == "stderr"]
            if len(lines) >= count:
                break
    return [line async for batch in client.logs(server_id) for line in batch if line.stream == "stderr"]


async def test_stamps_grow_strictly(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    await asyncio.gather(*(say(client, server_id, "shout", text=stream, stream=stream, count=2000) for stream in ("stderr", "stdout")))
    stamps = [line.ts for batch in [b async for b in client.logs(server_id)] for line in batch]
    assert len(stamps) > 4000
    assert stamps == sorted(set(stamps))


def lines_of(log: LogBook, **which: Any) -> list[LogLine]:
    with closing(log.snapshot(**which)) as stored:
        return [LogLine.model_validate_json(line) for block in stored.blocks() for line in block.splitlines()]


def test_stamps_pass_a_full_second_and_never_go_back(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    end_of_second = datetime(2030, 1, 1, 23, 59, 59, 999_998, UTC)
    log.add("stderr", ["a", "b", "c"], end_of_second)
    log.add("stderr", ["d"], datetime(2029, 1, 1, tzinfo=UTC))
    lines = lines_of(log)
    assert [(line.text, line.ts) for line in lines] == [
        (text, end_of_second + timedelta(microseconds=number)) for number, text in enumerate("abcd")
    ]
    assert tuple(lines) == log.last
    log.close()


def test_any_text_comes_back_as_it_was(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    texts = ['say "hi"', "a\\n\\b", "tab\tbell\x07nul\x00", "žluťoučký 日本 🐎", "\u2028 and \u0085 and \r inside", "{}", ""]
    log.add("stdout", texts)
    assert [line.text for line in lines_of(log)] == texts
    log.close()


def test_overlapping_secrets_leave_no_part_of_one(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    log.hide(
        {
            "ONE": SecretStr("abcdefgh"),
            "TWO": SecretStr("ghijklmnop"),
            "LINES": SecretStr("first line\nsecond line"),
            "SHORT": SecretStr("x"),
        }
    )
    log.add("stderr", ["x=abcdefghijklmnop.", "the first line", "abcdefghabcdefgh", "nothing"])
    assert [line.text for line in lines_of(log)] == ["x=[ONE].", "the [LINES]", "[ONE][ONE]", "nothing"]
    log.close()


def test_the_end_of_a_line_that_was_cut_is_removed(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    log.add("stderr", ["whole"])
    log.close()
    with (tmp_path / "s.ndjson").open("ab") as file:
        file.write(b'{"ts":"2026-01-01T00:00:00.00')
    again = LogBook(tmp_path, "s")
    assert again.latest == lines_of(again)[-1].ts
    again.add("stderr", ["next"])
    assert [line.text for line in lines_of(again)] == ["whole", "next"]
    again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_costs_lines_but_no_line_is_cut(small_disk: Path) -> None:
    log = LogBook(small_disk, "s")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 50_000)
    with log.follow() as follower:
        for number in range(20):
            log.add("stderr", [f"{number} " + "y" * 1000])
        heard = await anext(follower.batches())
        assert heard.count(b"\n") == 20  # followers hear them all the same
        written = [line.text.split()[0] for line in lines_of(log)]
        assert written == [str(number) for number in range(len(written))]
        assert 0 < len(written) < 20
        filler.unlink()
        log.add("stderr", ["room again"])
    remark, last = lines_of(log)[len(written) :]
    assert (remark.stream, remark.text) == ("dtma", f"Lines missing here: {20 - len(written)}. They could not be written.")
    assert last.text == "room again"
    assert remark.ts < last.ts
    log.close()
