"""Which connections are used again, and what ends them."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from lean_http import HungUp, TooSlow, Unreachable
from tests.dtma.agent import eventually, free_port
from tests.lean_http.peers import CHUNKED, OK, Line, Server, answering, get, holding, saying


async def so(condition: bool) -> bool:
    return condition


async def test_a_connection_serves_one_request_after_another() -> None:
    server = Server(answering)
    async with server.listening() as client:
        for _ in range(3):
            assert await get(client) == b"{}"
        assert server.connections == 1
        await asyncio.gather(*(get(client) for _ in range(4)))
        assert server.connections == 4


async def hanging_up_on_the_second(line: Line) -> None:
    """As a peer does that found a kept connection idle for too long just when it is used again."""
    await line.head()
    await line.say(OK)
    await line.head()


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_what_can_be_repeated_is_if_a_kept_connection_ends(method: bytes) -> None:
    server = Server(hanging_up_on_the_second, answering)
    async with server.listening() as client:
        assert await get(client) == b"{}"
        assert await get(client, method) == b"{}"
    assert server.connections == 2


async def test_a_post_is_never_repeated() -> None:
    server = Server(hanging_up_on_the_second, answering)
    async with server.listening() as client:
        assert await get(client) == b"{}"
        with pytest.raises(HungUp):
            await get(client, b"POST")
    assert server.connections == 1


async def test_nothing_is_repeated_twice_nor_once_an_answer_began() -> None:
    async def beginning(line: Line) -> None:
        await hanging_up_on_the_second(line)
        await line.say(b"HTTP/1.1 ")

    for first, then, connections in ((hanging_up_on_the_second, saying(), 2), (beginning, answering, 1)):
        server = Server(first, then)
        async with server.listening() as client:
            assert await get(client) == b"{}"
            with pytest.raises(HungUp):
                await get(client)
        assert server.connections == connections


async def test_an_idle_connection_is_given_up() -> None:
    server = Server(answering)
    async with server.listening(idle_seconds=0.05) as client:
        assert await get(client) == b"{}"
        await eventually(lambda: so(not client._open))
        assert await get(client) == b"{}"
    assert server.connections == 2


async def test_one_that_was_idle_for_too_long_is_not_used_even_if_nobody_has_swept() -> None:
    server = Server(answering)
    async with server.listening() as client:
        assert await get(client) == b"{}"
        client._idle[0].idle_since -= 31
        assert await get(client) == b"{}"
    assert server.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        OK + OK,
        OK + b"x",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_a_connection_on_which_more_comes_or_nothing_may_is_not_used_again(said: bytes) -> None:
    server = Server(holding(said), answering)
    async with server.listening() as client:
        assert await get(client) == b"{}"
        assert await get(client) == b"{}"
    assert server.connections == 2


async def test_what_comes_without_a_question_ends_a_connection() -> None:
    more = asyncio.Event()

    async def serve(line: Line) -> None:
        await line.head()
        await line.say(OK)
        await more.wait()
        await line.say(OK)
        await line.until_left()

    server = Server(serve, answering)
    async with server.listening() as client:
        assert await get(client) == b"{}"
        more.set()
        await eventually(lambda: so(not client._open))
        assert await get(client) == b"{}"


async def test_who_leaves_or_is_cancelled_hangs_up() -> None:
    async def serve(line: Line) -> None:
        await line.head()
        await line.say(CHUNKED)
        await line.reader.readexactly(1)

    async def silent(line: Line) -> None:
        await line.head()
        await line.reader.readexactly(1)

    server = Server(serve)
    async with server.listening() as client:
        (await client.request(b"GET", b"/", b"")).leave()
        await asyncio.wait_for(server.left.wait(), 10)
    server = Server(silent)
    async with server.listening() as client:
        asking = asyncio.create_task(get(client))
        await eventually(lambda: so(server.connections == 1))
        asking.cancel()
        await asyncio.wait_for(server.left.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_stream_that_ends_after_it_was_finished_leaves_its_connection() -> None:
    end = asyncio.Event()

    async def serve(line: Line) -> None:
        await line.head()
        await line.say(CHUNKED, b"1\r\na\r\n")
        await end.wait()
        await line.say(b"1\r\nb\r\n0\r\n\r\n")
        await answering(line)

    server = Server(serve)
    async with server.listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        assert await answer.next() == b"a"
        answer.finish()
        answer.leave()  # changes nothing any more
        end.set()
        await eventually(lambda: so(answer.complete))
        assert await get(client) == b"{}"
    assert server.connections == 1


async def test_a_stream_that_does_not_end_after_it_was_finished_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lean_http.answer.END_SECONDS", 0.05)
    server = Server(holding(CHUNKED, b"1\r\na\r\n"))
    async with server.listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        assert await answer.next() == b"a"
        answer.finish()
        await eventually(lambda: so(not client._open))


async def test_who_reads_slowly_is_not_read_ahead_of() -> None:
    piece = b"x" * 65536
    written = 0

    async def serve(line: Line) -> None:
        nonlocal written
        await line.head()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 1000))
        for _ in range(1000):
            await line.say(piece)
            written += len(piece)
        await answering(line)

    server = Server(serve)
    async with server.listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        before = -1
        while before != written:  # until it is stopped
            before = written
            await asyncio.sleep(0.2)
        assert written < 32 * 1024 * 1024
        assert sum([len(part) async for part in answer.pieces()]) == len(piece) * 1000
        assert await get(client) == b"{}"
    assert server.connections == 1


@pytest.mark.parametrize("reads_on", [True, False])
async def test_an_answer_that_comes_before_all_was_sent(reads_on: bool) -> None:
    large = b"x" * (32 * 1024 * 1024)

    async def refuse(line: Line) -> None:
        await line.head()
        await line.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n{}")
        if reads_on:
            await line.until_left()
        else:
            await asyncio.sleep(0.2)

    server = Server(refuse, answering)
    async with server.listening() as client:
        answer = await client.request(b"POST", b"/", b"", large)
        assert (answer.status, await answer.read()) == (413, b"{}")
        assert await get(client) == b"{}"
    assert server.connections == 2


async def test_a_large_body_arrives_whole() -> None:
    async def serve(line: Line) -> None:
        await line.head()
        body = await line.reader.readexactly(8 * 1024 * 1024)
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % body.count(b"x"))
        await answering(line)

    server = Server(serve)
    async with server.listening() as client:
        answer = await client.request(b"POST", b"/", b"", b"x" * (8 * 1024 * 1024))
        assert int(await answer.read()) == 8 * 1024 * 1024
        assert await get(client) == b"{}"
    assert server.connections == 1


async def test_closing_breaks_off_what_is_open() -> None:
    async with Server(holding(b"HTTP/1.1 200 OK\r\n\r\n", b"abc")).listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        assert await answer.next() == b"abc"
        client.close()
        with pytest.raises(HungUp):  # although its end would have been the end of the connection
            await answer.next()


async def test_nobody_is_there_or_takes_too_long() -> None:
    async with Server(answering).listening(port=free_port()) as client:
        with pytest.raises(Unreachable) as raised:
            await get(client)
    assert isinstance(raised.value.__cause__, OSError)

    async def silent(line: Line) -> None:
        await line.until_left()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with Server(silent).listening(tls=tls, name="box", connect_seconds=0.1) as client:
        with pytest.raises(TooSlow):
            await get(client)


async def test_errors_are_told_as_the_peer_wants() -> None:
    async with Server(saying(CHUNKED)).listening(told=lambda error: LookupError(str(error))) as client:
        with pytest.raises(LookupError, match="before the answer was complete"):
            await get(client)
