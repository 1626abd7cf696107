"""The runner's HTTP to providers: one client per event loop and set of rules, which the providers' libraries are given.

It judges each address as it is connected to (`reaching`), follows no redirect (nor may a key), goes through no proxy, waits as
long as `waiting` says, and bounds what an answer may weigh. The text of an error never holds the key: some providers repeat it, and
libraries put what was answered into their exceptions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from chat.providers.judging import Judging
from chat.providers.reaching import Reaching
from chat.providers.waiting import Patience

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 256 * 1024
KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
HIDDEN = b"(the key)"
LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=20, keepalive_expiry=30)

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Reaching, Patience], httpx2.AsyncClient]] = WeakKeyDictionary()


def client_for(reaching: Reaching, patience: Patience) -> httpx2.AsyncClient:
    """The client of the running event loop for these rules."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    key = (reaching, patience)
    if key not in clients:
        clients[key] = _client(reaching, patience)
    return clients[key]


async def close_connections() -> None:
    """Close what the running event loop has open; a client that is needed again is made anew."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


@asynccontextmanager
async def model_connections() -> AsyncIterator[None]:
    """Within this, connections to providers are kept; at its end they are closed."""
    try:
        yield
    finally:
        await close_connections()


def timeout_of(patience: Patience) -> httpx2.Timeout:
    """As the libraries want it; they would have their own otherwise."""
    return httpx2.Timeout(connect=patience.connect, read=patience.first_byte, write=patience.between_bytes, pool=patience.connect)


def _client(reaching: Reaching, patience: Patience) -> httpx2.AsyncClient:
    mounts = {
        "http://": _Transport(reaching, patience, plain=True),
        "https://": _Transport(reaching, patience, plain=False),
    }
    headers = {"Accept-Encoding": "identity", "User-Agent": "Agentopia"}  # packed answers could unpack to any size
    return httpx2.AsyncClient(
        mounts=mounts, transport=_Nowhere(), timeout=timeout_of(patience), follow_redirects=False, trust_env=False, headers=headers
    )


@cache
def _authorities() -> ssl.SSLContext:
    """The system's: read once, since that takes a while."""
    return ssl.create_default_context()


class _Nowhere(httpx2.AsyncBaseTransport):
    """For what is neither http nor https."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.UnsupportedProtocol("Only http and https are spoken.", request=request)


class _Transport(httpx2.AsyncHTTPTransport):
    """Connections that are judged, answers that are bounded in time and size, errors without the key."""

    def __init__(self, reaching: Reaching, patience: Patience, *, plain: bool) -> None:
        super().__init__(verify=_authorities(), trust_env=False, limits=LIMITS)
        self._patience = patience
        self._pool = httpcore2.AsyncConnectionPool(  # as the parent makes it, but for who connects
            ssl_context=_authorities(),
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=Judging(reaching, plain=plain),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            await response.aclose()
            raise httpx2.DecodingError("The provider packs its answer, though asked not to.", request=request)
        if response.status_code >= 300:
            return await _without_key(request, response, self._patience)
        response.stream = _Paced(response.stream, self._patience, MAX_ANSWER_BYTES)
        return response


class _Paced(httpx2.AsyncByteStream):
    """An answer of which the first byte may take its time, and each later one less; as large as it may be."""

    def __init__(self, stream: httpx2.AsyncByteStream, patience: Patience, most: int) -> None:
        self._stream = stream
        self._patience = patience
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = aiter(self._stream)
        seconds, size = self._patience.first_byte, 0
        while (block := await _next(blocks, seconds)) is not None:
            seconds, size = self._patience.between_bytes, size + len(block)
            if size > self._most:
                raise httpx2.ReadError(f"The answer is larger than {self._most // 1024} kB.")
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _next(blocks: AsyncIterator[bytes], seconds: float) -> bytes | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(blocks, None)
    except TimeoutError:
        raise httpx2.ReadTimeout(f"Nothing came for {seconds:g} s.") from None


async def _without_key(request: httpx2.Request, response: httpx2.Response, patience: Patience) -> httpx2.Response:
    """An answer that is no success, read at once and bounded, without the key that was sent."""
    content = b""
    try:
        async for block in _Paced(response.stream, patience, MAX_ERROR_BYTES):  # type: ignore[arg-type]  # it is asynchronous
            content += block
    except httpx2.TransportError:
        pass  # the status says enough
    finally:
        await response.aclose()
    for key in _keys(request):
        content = content.replace(key, HIDDEN)
    kept = {
        name: value for name, value in response.headers.items() if name in ("content-type", "retry-after", "x-request-id", "request-id")
    }
    return httpx2.Response(response.status_code, headers=kept, content=content, extensions=response.extensions, request=request)


def _keys(request: httpx2.Request) -> list[bytes]:
    values = (request.headers.get(name, "").removeprefix("Bearer ").encode() for name in KEY_HEADERS)
    return [value for value in values if value]
