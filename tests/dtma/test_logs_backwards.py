"""A log that is longer than a page: read backwards in steps, its beginning told truly, slow readers told what they lost."""

from __future__ import annotations

import asyncio
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dtma.observing.follower import FOLLOWER_BYTES
from dtma.observing.log_file import FILE_BYTES
from dtma.observing.log_lines import GONE, LINE_CHARACTERS
from dtma.observing.logs import LogBook
from dtma.observing.snapshot import BLOCK_BYTES
from dtma_client import DtmaClient, DtmaFault
from dtma_wire import LogLine
from tests.dtma.agent import eventually, ready, say, spec_of

ORDINARY = "x" * 90
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogBook]:
    book = LogBook(tmp_path, "s")
    yield book
    book.close()


def fill(log: LogBook, first: int, count: int, text: str = ORDINARY) -> None:
    for begin in range(first, first + count, 1000):
        log.add("stderr", [f"{number} {text}" for number in range(begin, min(begin + 1000, first + count))])


def lines_of(log: LogBook, **which: Any) -> list[LogLine]:
    with closing(log.snapshot(**which)) as stored:
        return [LogLine.model_validate_json(line) for block in stored.blocks() for line in block.splitlines()]


def numbers(lines: list[LogLine]) -> list[int]:
    return [int(line.text.split()[0]) for line in lines if line.stream == "stderr"]


def backwards(log: LogBook, page: int) -> list[LogLine]:
    """Everything, page by page from the end."""
    found = lines_of(log, tail=page)
    while older := lines_of(log, tail=page, before=found[0].ts):
        assert len(older) <= page
        found = older + found
    return found


def test_pages_backwards_are_the_whole_log(log: LogBook) -> None:
    fill(log, 0, 30_000)
    assert backwards(log, 7000) == lines_of(log)
    assert numbers(lines_of(log)) == list(range(30_000))


def test_both_ends_are_exclusive_wherever_they_fall(log: LogBook) -> None:
    log.add("stderr", [f"{number} {'y' * (number * 37 % LINE_CHARACTERS)}" for number in range(3000)])
    everything = lines_of(log)
    assert sum(len(line.text) for line in everything) > 10 * BLOCK_BYTES
    for number in (0, 1, 17, 1500, 2998, 2999):
        moment = everything[number].ts
        assert lines_of(log, before=moment) == everything[:number]
        assert lines_of(log, since=moment) == everything[number + 1 :]
        assert lines_of(log, before=moment + MICROSECOND, tail=5) == everything[: number + 1][-5:]
        assert lines_of(log, since=moment, before=everything[-1].ts, tail=2) == everything[number + 1 : -1][-2:]
    for count in (0, 1, 2999, 3000, 3001):
        assert lines_of(log, tail=count) == everything[3000 - min(count, 3000) :]
    assert lines_of(log, since=datetime.max.replace(tzinfo=everything[0].ts.tzinfo)) == []
    assert lines_of(log, before=datetime.min.replace(tzinfo=everything[0].ts.tzinfo)) == []


def test_an_empty_log(log: LogBook) -> None:
    assert lines_of(log) == lines_of(log, tail=5) == []
    assert log.tail("stderr", 5) == []


def test_it_keeps_100_000_ordinary_lines_and_says_that_others_are_gone(log: LogBook) -> None:
    fill(log, 0, 250_000)
    first, *rest = lines_of(log)
    assert (first.stream, first.text) == ("dtma", GONE)
    kept = numbers(rest)
    assert len(kept) >= 100_000
    assert kept == list(range(250_000 - len(kept), 250_000))
    assert first.ts < rest[0].ts
    assert [line.text for line in rest if line.stream == "dtma"] == [], "where files meet nothing is said"
    assert lines_of(log, tail=len(rest)) == rest
    assert lines_of(log, before=first.ts, tail=10) == []
    assert lines_of(log, since=first.ts) == rest, "whoever was told that they are gone is not told again"
    assert backwards(log, 50_000) == [first, *rest]


def test_nothing_is_said_to_be_gone_as_long_as_all_is_there(log: LogBook, tmp_path: Path) -> None:
    fill(log, 0, 150_000)
    assert (tmp_path / "s.ndjson.1").exists()
    assert numbers(lines_of(log)) == list(range(150_000))
    assert len(lines_of(log)) == 150_000


def test_what_is_being_read_survives_the_files_being_changed_for_others(log: LogBook) -> None:
    fill(log, 0, 20_000)
    end = lines_of(log)[-1].ts
    with closing(log.snapshot(tail=20_000, before=end)) as stored:
        blocks = stored.blocks()
        read = [next(blocks)]
        fill(log, 20_000, 300_000)  # three times what is kept
        read += blocks
    lines = [LogLine.model_validate_json(line) for line in b"".join(read).splitlines()]
    assert numbers(lines) == list(range(19_999))
    assert [line.text for line in lines_of(log, before=end, tail=10)] == []


def test_the_end_of_a_stream_is_found_however_far_back(log: LogBook) -> None:
    log.add("stdout", [f'{number} "stream":"stderr",' for number in range(10)])
    fill(log, 0, 20_000)
    assert [line.text.split()[0] for line in log.tail("stdout", 3)] == ["7", "8", "9"]
    assert [line.text.split()[0] for line in log.tail("stderr", 3000)] == [str(number) for number in range(17_000, 20_000)]
    assert len(log.tail("stdout", 50)) == 10


def test_reading_takes_little_memory(log: LogBook) -> None:
    fill(log, 0, 200_000)
    tracemalloc.start()
    try:
        with closing(log.snapshot(tail=100_000)) as stored:
            size = sum(len(block) for block in stored.blocks())
        with closing(log.snapshot(tail=1000, before=lines_of(log, tail=150_000)[0].ts)) as stored:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            assert sum(len(block) for block in stored.blocks()) > 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > FILE_BYTES / 2
    assert peak - before < 4 * BLOCK_BYTES


async def followed(log: LogBook, last: int, waits: asyncio.Event | None = None, first: asyncio.Event | None = None) -> list[LogLine]:
    """What a reader receives up to a line of that number; it takes one piece, then it waits."""
    lines: list[LogLine] = []
    with log.follow() as follower:
        async with asyncio.timeout(60), aclosing(follower.batches()) as batches:
            async for batch in batches:
                lines += [LogLine.model_validate_json(line) for line in batch.splitlines()]
                if first:
                    first.set()
                if waits:
                    await waits.wait()
                if lines[-1].text.startswith(f"{last} "):
                    break
    return lines


async def received_while_waiting(log: LogBook, count: int) -> list[LogLine]:
    goes_on, began = asyncio.Event(), asyncio.Event()
    reading = asyncio.create_task(followed(log, count - 1, goes_on, began))
    await asyncio.sleep(0)  # it follows from now on
    fill(log, 0, 1)
    await began.wait()
    fill(log, 1, count - 1)
    goes_on.set()
    return await reading


async def test_a_reader_that_is_behind_gets_what_is_on_disk(log: LogBook) -> None:
    count = 60_000
    assert count * len(ORDINARY) > FOLLOWER_BYTES
    lines = await received_while_waiting(log, count)
    assert [line.stream for line in lines] == ["stderr"] * count
    assert numbers(lines) == list(range(count))


async def test_a_reader_that_is_too_slow_is_told_so(log: LogBook) -> None:
    count = 300_000
    lines = await received_while_waiting(log, count)
    told = [line for line in lines if line.stream == "dtma"]
    dropped = count - len(lines) + 1
    assert dropped > 0
    assert [line.text for line in told] == [f"{dropped} lines dropped: this reader was too slow."]
    at = lines.index(told[0])
    assert numbers(lines[:at]) == list(range(at))
    assert numbers(lines[at:]) == list(range(at + dropped, count))
    # Whoever resumes from the remark misses nothing of what came after it.
    stamps = [line.ts for line in lines]
    assert stamps == sorted(set(stamps))
    assert lines_of(log, since=told[0].ts) == lines[at + 1 :]


async def test_a_reader_that_falls_behind_again_and_again(log: LogBook) -> None:
    lines: list[LogLine] = []
    printed = 0
    with log.follow() as follower:
        async with asyncio.timeout(60), aclosing(follower.batches()) as batches:
            fill(log, 0, 1)
            async for batch in batches:
                lines += [LogLine.model_validate_json(line) for line in batch.splitlines()]
                if printed < 300_000:  # several times what is queued for it, whatever it is just being given
                    fill(log, printed + 1, 7000)
                    printed += 7000
                elif lines[-1].text.startswith(f"{printed} "):
                    break
    said = [int(line.text.split()[0]) for line in lines if line.stream == "dtma"]
    found = numbers(lines)
    assert found == sorted(set(found))
    assert len(found) + sum(said) == printed + 1
    expected = 0
    for line in lines:  # what is missing is missing just where that is said
        if line.stream == "dtma":
            expected += int(line.text.split()[0])
        else:
            assert int(line.text.split()[0]) == expected
            expected += 1


async def test_a_burst_that_is_read_slowly_adds_up(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    count, seen, said = 400_000, [], 0
    async with asyncio.timeout(120), aclosing(client.logs(server_id, tail=1, follow=True)) as batches:
        await anext(batches)
        await say(client, server_id, "shout", text="z" * 60, count=count)  # nothing is read before all is printed
        async for batch in batches:
            for line in batch:
                if line.stream == "dtma":
                    said += int(line.text.split()[0])
                else:
                    seen.append(int(line.text.split()[1]))
            if seen and seen[-1] == count - 1:
                break
    assert seen == sorted(set(seen))
    assert len(seen) + said == count
    assert said > 0


async def test_a_page_backwards_through_the_api(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    await say(client, server_id, "shout", text="line", count=5000)

    async def page(before: datetime | None = None) -> list[LogLine]:
        return [line async for batch in client.logs(server_id, tail=1000, before=before) for line in batch]

    async def newest() -> list[LogLine]:
        lines = await page()
        return lines if any(line.text == "line 4999" for line in lines) else []

    found = last = await eventually(newest)  # the engine writes them a little later than the server says them
    while len(last) == 1000:
        last = await page(found[0].ts)
        found = last + found
    assert [line.text for line in found if line.stream == "stderr"] == [f"line {number}" for number in range(5000)]
    started = next(line for line in found if line.text == "Starting the container (generation 1).")
    assert started.stream == "dtma"
    with pytest.raises(DtmaFault, match="cannot be followed"):
        await anext(client.logs(server_id, before=found[0].ts, follow=True))


def test_descriptors_are_given_back(log: LogBook) -> None:
    fill(log, 0, 1000)
    for _ in range(resource.getrlimit(resource.RLIMIT_NOFILE)[0] + 10 if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000 else 5000):
        log.tail("stderr", 1)
        log.snapshot().close()
