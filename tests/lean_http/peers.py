"""Peers that misbehave as they are told, each a real server on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

from lean_http import Client, Peer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Line:
    """One connection as the peer sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """A request without its body."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, *pieces: bytes) -> None:
        """Write, each piece on its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def until_left(self) -> None:
        """Return when the other side has hung up; whatever it still says is read."""
        while await self.reader.read(65536):
            pass


type Serve = Callable[[Line], Awaitable[None]]


class Server:
    """Serves its first connection by the first function, and so on; all others by the last. ``connections`` is how many came."""

    def __init__(self, *serve: Serve) -> None:
        self.connections = 0
        self.left = asyncio.Event()
        """Somebody hung up while it was read."""
        self._serve = serve

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serve = self._serve[min(self.connections, len(self._serve) - 1)]
        self.connections += 1
        try:
            await serve(Line(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self, **changes: Any) -> AsyncIterator[Client]:
        """A client of it."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        options = {"host": "127.0.0.1", "port": port, "authority": "box:1", "idle_seconds": 30.0, **changes}
        with closing(Client(Peer(**options))) as client:
            yield client
        server.close()


def saying(*pieces: bytes) -> Serve:
    """Answers one request with these bytes, and hangs up."""

    async def serve(line: Line) -> None:
        await line.head()
        await line.say(*pieces)

    return serve


def holding(*pieces: bytes) -> Serve:
    """Answers one request with these bytes, and waits until the other side hangs up."""

    async def serve(line: Line) -> None:
        await line.head()
        await line.say(*pieces)
        await line.until_left()

    return serve


async def answering(line: Line) -> None:
    """Answers every request, whatever is in it, as long as it has no body."""
    while True:
        await line.head()
        await line.say(OK)


async def get(client: Client, method: bytes = b"GET") -> bytes:
    """The body of an answer."""
    return await (await client.request(method, b"/mcp", b"")).read()
