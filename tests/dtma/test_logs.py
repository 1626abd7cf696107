"""A server's log: at once, from anywhere, bounded."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from dtma.observing.logs import FILE_BYTES, FOLLOWER_LINES, LINE_CHARACTERS, LogBook, read
from dtma_client import DtmaClient
from dtma_wire import LogLine
from tests.dtma.agent import ready, say, spec_of


async def test_a_line_arrives_within_a_second_of_being_printed(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    for stream in ("stderr", "stdout"):
        async with aclosing(client.logs(server_id, tail=1, follow=True)) as batches:
            await anext(batches)  # what was there before: from here on lines are followed
            printed = float(await say(client, server_id, "shout", text=f"hello {stream}", stream=stream))
            batch = await asyncio.wait_for(anext(batches), 10)
            arrived = time.time()
        assert [(line.stream, line.text) for line in batch] == [(stream, f"hello {stream} 0")]
        assert arrived - printed < 1


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
        await say(client, server_id, "shout", text="burst", count=5000)
        async for batch in batches:
            burst += [line.text for line in batch]
            if len(burst) >= 5000:
                break
    assert burst == [f"burst {number}" for number in range(5000)]


async def test_a_reader_that_is_too_slow_is_told_so(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    with log.follow() as follower:
        log.add("stderr", [f"{number}" for number in range(FOLLOWER_LINES + 25)])
        batch = await anext(follower.batches())
    lines = [LogLine.model_validate_json(line) for line in batch.splitlines()]
    assert (lines[0].stream, lines[0].text) == ("dtma", "25 lines dropped: this reader was too slow.")
    assert [line.text for line in lines[1:3]] == ["25", "26"]
    assert len(lines) == FOLLOWER_LINES + 1
    log.close()


def test_the_log_on_disk_is_bounded_and_private(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    for number in range(1200):
        log.add("stderr", [f"{number} " + "x" * 10_000])
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"s.ndjson", "s.ndjson.1"}
    assert max(sizes.values()) <= FILE_BYTES
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    last = [LogLine.model_validate_json(line) for line in read(log.snapshot(), 600, None).splitlines()]
    assert [line.text.split()[0] for line in last] == [str(number) for number in range(600, 1200)]
    log.close()
    again = LogBook(tmp_path, "s")
    assert again.latest == last[-1].ts
    again.close()


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    log = LogBook(tmp_path, "s")
    log.add("stderr", ["y" * (LINE_CHARACTERS + 1)])
    assert log.last[0].text.endswith(f"… ({LINE_CHARACTERS + 1} characters)")
    log.close()
