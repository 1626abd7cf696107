"""What counts as an answer, and what does not."""

from __future__ import annotations

import pytest

from lean_http import HungUp, Malformed, TooLarge
from lean_http.connection import MAX_HEAD_BYTES
from tests.lean_http.peers import CHUNKED, OK, Line, Server, get, holding, saying


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 3\r\n", b"\r", b"\nab", b"c"),
        (CHUNKED, b"1\r\na\r\n", b"2\r\nb", b"c\r\n0\r\n\r\n"),
        (CHUNKED, b"3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"ab", b"c"),  # until the connection ends
        (b"HTTP/1.0 200 OK\r\n\r\nabc",),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        ),
    ],
)
async def test_bodies_however_they_end(pieces: tuple[bytes, ...]) -> None:
    async with Server(saying(*pieces)).listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        assert answer.status == 200
        assert b"link" not in answer.headers
        assert b"trailer" not in answer.headers
        assert await answer.read() == b"abc"
        assert answer.complete


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"ab"),
        (CHUNKED, b"3\r\na"),
        (CHUNKED, b"1\r\na\r\n"),
        (CHUNKED, b"1\r\na\r\n0\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n",),
    ],
)
async def test_an_answer_that_breaks_off(pieces: tuple[bytes, ...]) -> None:
    async with Server(saying(*pieces)).listening() as client:
        with pytest.raises(HungUp):
            await get(client, b"POST")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"hello?\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",),
        (CHUNKED, b"x\r\na\r\n"),
        (CHUNKED, b"1\r\nabc\r\n0\r\n\r\n"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",),
    ],
)
async def test_what_is_no_http(pieces: tuple[bytes, ...]) -> None:
    server = Server(holding(*pieces))
    async with server.listening() as client:
        with pytest.raises(Malformed):
            await get(client)


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 200 OK\r\nX: %s" % (b"x" * MAX_HEAD_BYTES),
        b"HTTP/1.1 200 OK\r\n%s" % (b"X: y\r\n" * MAX_HEAD_BYTES),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * MAX_HEAD_BYTES,
        CHUNKED + b"1\r\na\r\n0\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES,
    ],
)
async def test_a_head_or_what_comes_after_a_body_without_end(piece: bytes) -> None:
    async with Server(holding(piece)).listening() as client:
        with pytest.raises(TooLarge, match="64 KB"):
            await get(client)


async def test_a_body_that_is_larger_than_it_may_be() -> None:
    server = Server(holding(CHUNKED, *[b"80000\r\n%s\r\n" % (b"x" * 0x80000)] * 20))
    async with server.listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        with pytest.raises(TooLarge, match="more than 2 MB"):
            await answer.read(2 * 1024 * 1024)


async def test_headers_that_come_several_times_are_one() -> None:
    async with Server(saying(b"HTTP/1.1 200 OK\r\nAllow: GET\r\nCONTENT-LENGTH: 0\r\nallow: POST\r\n\r\n")).listening() as client:
        assert (await client.request(b"GET", b"/", b"")).headers == {b"allow": b"GET, POST", b"content-length": b"0"}


async def test_an_answer_to_head_has_no_body() -> None:
    async with Server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")).listening() as client:
        assert await get(client, b"HEAD") == b""


async def test_lines_that_end_with_lf_alone_are_taken_from_who_may() -> None:
    by_hand = b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3 \r\nabc\r\n0\r\n\r\n"
    async with Server(holding(by_hand)).listening(lenient=True) as client:
        assert await get(client) == b"abc"
    async with Server(holding(by_hand)).listening() as client:
        with pytest.raises(Malformed):
            await get(client)


async def test_what_is_asked_is_written_as_given() -> None:
    heads = []

    async def serve(line: Line) -> None:
        for body in (b"", b"", b"abc"):
            heads.append(await line.head())
            assert await line.reader.readexactly(len(body)) == body
            await line.say(OK)

    async with Server(serve).listening() as client:
        for method, body in ((b"GET", b""), (b"DELETE", b""), (b"POST", b"abc")):
            await (await client.request(method, b"/mcp?a=%20", b"X-A: b\r\n", body)).read()
    assert heads == [
        b"GET /mcp?a=%20 HTTP/1.1\r\nHost: box:1\r\nX-A: b\r\n\r\n",
        b"DELETE /mcp?a=%20 HTTP/1.1\r\nHost: box:1\r\nContent-Length: 0\r\nX-A: b\r\n\r\n",
        b"POST /mcp?a=%20 HTTP/1.1\r\nHost: box:1\r\nContent-Length: 3\r\nX-A: b\r\n\r\n",
    ]
