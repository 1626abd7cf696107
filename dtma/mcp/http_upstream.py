"""The HTTP server inside one container: what it is sent, and what never is."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
from yarl import URL

from dtma.mcp.asgi import MAX_BODY_BYTES
from dtma_wire import HttpTransport, SseTransport

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.05
KEEPALIVE_SECONDS = 4.0
"""Less than what common servers use (5 s), so that a request seldom meets a connection that is being closed."""
DRAIN_SECONDS = 1.0
LARGE_BODY_BYTES = 512 * 1024

type Headers = Iterable[tuple[str, str]]


class AnswerTooLarge(Exception):
    """The server's answer is larger than a message may be."""


class HttpUpstream:
    """Makes requests to one container. Connections are its own: none outlives it, and none is shared with another server."""

    def __init__(self, address: str, transport: HttpTransport | SseTransport) -> None:
        self.heard_at = time.monotonic()
        """When the server last answered anything."""
        self.open_calls = 0
        """How many requests of clients wait for their answer."""
        self._address = address
        self.port = transport.port
        self.url = URL(f"http://{address}:{transport.port}{transport.path}", encoded=True)
        has_port = transport.host.rpartition("]")[2].count(":") > 0
        self._host = transport.host if has_port else f"{transport.host}:{transport.port}"
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        )

    async def wait_until_listening(self) -> None:
        """Return once the port accepts connections. It has no limit of its own."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, writer = await asyncio.open_connection(self._address, self.port)
            except OSError:  # a timeout is one too
                await asyncio.sleep(RETRY_SECONDS)
            else:
                writer.close()
                return

    def within(self, reference: str) -> URL:
        """An address that the server names, on the container; raises ``ValueError`` for one anywhere else."""
        named = self.url.join(URL(reference))
        if named.scheme != self.url.scheme or f"{named.host}:{named.port}" not in (f"{self.url.host}:{self.url.port}", self._host):
            raise ValueError(f"The server wants messages at {named.host}:{named.port}, which is not itself.")
        return URL.build(scheme=self.url.scheme, host=self._address, port=self.port, path=named.path, query_string=named.query_string)

    @asynccontextmanager
    async def open(
        self, method: str, headers: Headers, body: bytes | None = None, url: URL | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request; leaving the block before the answer is complete closes its connection. Raises ``aiohttp.ClientError``.

        Redirects are answers like any other: they are never followed.
        """
        # A large body is written piece by piece, so that it does not hold up the event loop.
        data = body if body is None or len(body) <= LARGE_BODY_BYTES else io.BytesIO(body)
        sent = [("Host", self._host), ("Accept-Encoding", "identity"), *headers]
        async with self._http.request(method, url or self.url, headers=sent, data=data, allow_redirects=False) as response:
            self.heard_at = time.monotonic()
            yield response

    @contextmanager
    def calling(self) -> Iterator[None]:
        """A client's request is open."""
        self.open_calls += 1
        try:
            yield
        finally:
            self.open_calls -= 1

    async def close(self) -> None:
        """The container is gone: whatever is open breaks off."""
        await self._http.close()


async def whole(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer; raises ``AnswerTooLarge``."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise AnswerTooLarge
    return b"".join(chunks)


def is_event_stream(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer is a stream of events."""
    return response.content_type == "text/event-stream"


async def drained(response: aiohttp.ClientResponse) -> None:
    """Read what still comes after what was awaited, so that the connection can be used again; a server that does not end loses it."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in response.content.iter_any():
                pass
    except (TimeoutError, aiohttp.ClientError):
        response.close()
