"""The client that carries calls to DTMA, against servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest

from dtma_client import DtmaRefused, DtmaUnreachable, Endpoint
from dtma_client.raw import RawClient
from dtma_wire import toolbox_name
from tests.dtma.agent import eventually, free_port
from tests.dtma.authority import Authority, authority, control_plane

NAME = toolbox_name("box")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A toolbox that does as it is told; ``connections`` is how many came."""

    def __init__(self, serve: Serve, by: Authority | None = None) -> None:
        self.connections = 0
        self.left = asyncio.Event()
        self._serve = serve
        self._tls = (by or authority()).server([NAME])

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def listening(self, **endpoint: object) -> AsyncIterator[RawClient]:
        """A client of it."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._tls)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with closing(RawClient(Endpoint(url, NAME, control_plane(), **endpoint))) as client:  # type: ignore[arg-type]
            yield client
        server.close()


async def head(reader: asyncio.StreamReader) -> bytes:
    """A request without its body."""
    return await reader.readuntil(b"\r\n\r\n")


async def so(condition: bool) -> bool:
    return condition


async def ask(client: RawClient, body: bytes = b"") -> bytes:
    return await (await client.request(b"POST", b"/mcp", b"X-A: b\r\n", body)).read()


async def test_a_connection_serves_one_request_after_another() -> None:
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await head(reader))
            assert await reader.readexactly(3) == b"abc"
            writer.write(OK)

    peer = Peer(serve)
    async with peer.listening() as client:
        for _ in range(3):
            assert await ask(client, b"abc") == b"{}"
        assert peer.connections == 1
        await asyncio.gather(*(ask(client, b"abc") for _ in range(4)))
        assert peer.connections == 4
    assert heads[0].startswith(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nContent-Length: 3\r\nX-A: b\r\n\r\n" in heads[0]


async def test_an_answer_in_pieces() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
        for letter in b"abc":
            writer.write(b"1\r\n" + bytes([letter]) + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await reader.read()

    async with Peer(serve).listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        assert answer.is_stream
        assert b"".join([piece async for piece in answer.pieces()]) == b"abc"


async def test_an_answer_that_breaks_off() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()

    async with Peer(serve).listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        with pytest.raises(DtmaUnreachable):
            await answer.read()


async def test_a_peer_that_hangs_up_or_says_nonsense() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"hello?\r\n\r\n")
        await reader.read()

    for serve in (hang_up, nonsense):
        async with Peer(serve).listening() as client:
            with pytest.raises(Exception, match="toolbox") as raised:
                await ask(client)
            assert raised.value.code in ("toolbox_unreachable", "toolbox_fault")  # type: ignore[attr-defined]


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(OK)
        await writer.drain()
        closed.set()

    peer = Peer(serve)
    async with peer.listening() as client:
        for _ in range(3):
            closed.clear()
            assert await ask(client) == b"{}"
            await closed.wait()
            await eventually(lambda: so(not client._idle))
    assert peer.connections == 3


async def test_who_leaves_hangs_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        await reader.readexactly(1)

    peer = Peer(serve)
    async with peer.listening() as client:
        asking = asyncio.create_task(ask(client))
        await eventually(lambda: so(peer.connections == 1))
        asking.cancel()
        await asyncio.wait_for(peer.left.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_nobody_reads_ahead_of_who_takes_it() -> None:
    piece = b"x" * 65536
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 1000))
        for _ in range(1000):
            writer.write(piece)
            await writer.drain()
            written += len(piece)
        await reader.read()

    async with Peer(serve).listening() as client:
        answer = await client.request(b"GET", b"/", b"")
        before = -1
        while before != written:  # until it is stopped
            before = written
            await asyncio.sleep(0.2)
        assert written < 32 * 1024 * 1024
        assert sum([len(part) async for part in answer.pieces()]) == len(piece) * 1000


async def test_a_large_body_arrives_whole() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        body = await reader.readexactly(8 * 1024 * 1024)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % body.count(b"x"))

    async with Peer(serve).listening() as client:
        assert int(await ask(client, b"x" * (8 * 1024 * 1024))) == 8 * 1024 * 1024


async def test_a_peer_of_another_authority_and_one_that_is_not_admitted() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await head(reader))
        writer.write(OK)

    async with Peer(serve, Authority()).listening() as client:
        with pytest.raises(DtmaRefused) as raised:
            await ask(client)
        assert raised.value.code == "identity_mismatch"

    async def admit(serial: str) -> bool:
        assert serial
        return False

    async with Peer(serve).listening(admit=admit) as client:
        with pytest.raises(DtmaRefused) as raised:
            await ask(client)
        assert raised.value.code == "certificate_revoked"
    assert asked == []


async def test_nobody_is_there() -> None:
    client = RawClient(Endpoint(f"https://127.0.0.1:{free_port()}", NAME, control_plane()))
    with pytest.raises(DtmaUnreachable):
        await ask(client)
