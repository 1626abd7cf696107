"""A client and a server of the same era: what they say passes through as bytes.

The only thing added is what a tool call cost, in the ``_meta`` of its result.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import aiohttp
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from dtma.mcp.asgi import JSON, MAX_BODY_BYTES, respond, while_connected
from dtma.mcp.http_cost import event_with_cost, is_tool_call, with_cost
from dtma.mcp.http_upstream import HttpUpstream, is_event_stream
from dtma.mcp.messages import SERVER_GONE, encode, failure, parse
from dtma.mcp.sse_events import Blocks, EventTooLarge
from dtma.observing.cost import Measurement, Meter

TOOLS_CHANGED = b'"notifications/tools/list_changed"'
_FORWARDED = frozenset({"accept", "content-type", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"})
"""Of a client's request headers; anything that could be a credential stays here."""
_RETURNED = frozenset(
    {"allow", "cache-control", "content-encoding", "content-type", "mcp-protocol-version", "mcp-session-id", "retry-after"}
)


class PassThrough:
    """Carries a client's requests to the server in the container, whatever they are."""

    def __init__(self, upstream: HttpUpstream, meter: Meter, tools_changed: Callable[[], None]) -> None:
        self._upstream = upstream
        self._meter = meter
        self._tools_changed = tools_changed

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer a request whose body was read already."""
        forwarded = [item for item in Headers(scope=scope).items() if item[0] in _FORWARDED or item[0].startswith("mcp-param-")]
        carrying = self._carry(scope["method"], forwarded, body, send)
        if scope["method"] != "POST":
            await while_connected(receive, carrying)
            return
        with self._upstream.calling():
            await while_connected(receive, carrying)

    async def _carry(self, method: str, headers: list[tuple[str, str]], body: bytes, send: Send) -> None:
        measurement = self._meter.begin() if method == "POST" and is_tool_call(body) else None
        answer = _Answer(send)
        try:
            async with self._upstream.open(method, headers, body or None) as response:
                returned = [(name.encode(), value.encode()) for name, value in response.headers.items() if name.lower() in _RETURNED]
                answer.prepare(response.status, returned, events=is_event_stream(response))
                async for piece in self._pieces(response, measurement):
                    self._upstream.heard_at = time.monotonic()
                    await answer.send(piece)
        except aiohttp.ClientError as error:
            await answer.fail(body, f"The server in the container does not answer: {error}")
        else:
            await answer.end()
        finally:
            if measurement is not None:
                measurement.end()

    def _pieces(self, response: aiohttp.ClientResponse, measurement: Measurement | None) -> AsyncIterator[bytes]:
        if is_event_stream(response):
            return self._events(response, measurement)
        if measurement is not None and "Content-Encoding" not in response.headers:
            return _message(response, measurement)
        return response.content.iter_any()

    async def _events(self, response: aiohttp.ClientResponse, measurement: Measurement | None) -> AsyncIterator[bytes]:
        """Event by event, so that one that broke off is never taken for a whole one."""
        blocks = Blocks(MAX_BODY_BYTES)
        chunks = response.content.iter_any()
        yield b""  # the client may have to know that the stream is open long before the first event
        try:
            async for chunk in chunks:
                for block in blocks.feed(chunk):
                    if TOOLS_CHANGED in block:
                        self._tools_changed()
                    yield block if measurement is None else event_with_cost(block, measurement.end)
        except EventTooLarge:  # nothing of it is looked at, but it still passes
            yield blocks.rest
            async for chunk in chunks:
                yield chunk
        else:
            yield blocks.rest


async def _message(response: aiohttp.ClientResponse, measurement: Measurement) -> AsyncIterator[bytes]:
    """The result of a tool call in one piece; beyond the largest message, piece by piece and as it is."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            yield bytes(body)
            body.clear()
    yield with_cost(bytes(body), measurement.end)


class _Answer:
    """What the client gets. The head is sent with the first piece."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._started = False
        self._events = False

    def prepare(self, status: int, headers: list[tuple[bytes, bytes]], *, events: bool) -> None:
        """The status and headers that the server gave."""
        self._head = (status, headers)
        self._events = events

    async def send(self, piece: bytes) -> None:
        """A piece of the body."""
        await self._start()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """The answer is complete."""
        await self._start()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def fail(self, request: bytes, text: str) -> None:
        """The server broke off: the client is told, where that is still possible."""
        message = encode(failure(_id_of(request), SERVER_GONE, text))
        if not self._started:
            await respond(self._send, HTTPStatus.BAD_GATEWAY, JSON, body=message)
            return
        last = b"event: message\ndata: " + message + b"\n\n" if self._events and request else b""
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def _start(self) -> None:
        if not self._started:
            assert self._head is not None
            self._started = True
            await self._send({"type": "http.response.start", "status": self._head[0], "headers": self._head[1]})


def _id_of(request: bytes) -> object:
    try:
        message = parse(request)
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None
