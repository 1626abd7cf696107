"""The HTTP server inside one container: what it is sent, and what never is."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from yarl import URL

from dtma_wire import HttpTransport, SseTransport
from lean_http import Answer, Client, Peer

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.05
KEEPALIVE_SECONDS = 4.0
"""Less than what common servers use (5 s), so that a request seldom meets a connection that is being closed."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

type Headers = Iterable[tuple[str, str]]


class HttpUpstream:
    """Makes requests to one container. Connections are its own: none outlives it, and none is shared with another server."""

    def __init__(self, address: str, transport: HttpTransport | SseTransport) -> None:
        self.heard_at = time.monotonic()
        """When the server last answered anything."""
        self.open_calls = 0
        """How many requests of clients wait for their answer."""
        self._address = address
        self.port = transport.port
        self._url = URL(f"http://{address}:{transport.port}{transport.path}", encoded=True)
        self._target = self._url.raw_path_qs.encode()
        has_port = transport.host.rpartition("]")[2].count(":") > 0
        self._host = transport.host if has_port else f"{transport.host}:{transport.port}"
        self._http = Client(
            Peer(
                host=address,
                port=transport.port,
                authority=self._host,
                idle_seconds=KEEPALIVE_SECONDS,
                connect_seconds=CONNECT_SECONDS,
                lenient=True,
            )
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

    def within(self, reference: str) -> bytes:
        """The target of an address that the server names; raises ``ValueError`` for one anywhere but on the container."""
        named = self._url.join(URL(reference))
        if named.scheme != self._url.scheme or f"{named.host}:{named.port}" not in (f"{self._url.host}:{self._url.port}", self._host):
            raise ValueError(f"The server wants messages at {named.host}:{named.port}, which is not itself.")
        return named.raw_path_qs.encode()

    async def request(self, method: bytes, headers: bytes, body: bytes = b"", target: bytes | None = None) -> Answer:
        """A request, ``headers`` being whole lines. Whoever does not want all of the answer leaves it. Raises ``HttpError``.

        Redirects are answers like any other: they are never followed.
        """
        answer = await self._http.request(method, target or self._target, b"Accept-Encoding: identity\r\n" + headers, body)
        self.heard_at = time.monotonic()
        return answer

    @asynccontextmanager
    async def open(self, method: str, headers: Headers, body: bytes = b"", target: bytes | None = None) -> AsyncIterator[Answer]:
        """The same for as long as the block lasts: leaving it before the answer is complete closes its connection."""
        answer = await self.request(method.encode(), b"".join(_line(*header) for header in headers), body, target)
        try:
            yield answer
        finally:
            answer.leave()

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
        self._http.close()


def _line(name: str, value: str) -> bytes:
    """A header; what could not stand in one, or would be another, is left out of it."""
    return f"{name}: {_UNPRINTABLE.sub('', value)}\r\n".encode(errors="surrogateescape")
