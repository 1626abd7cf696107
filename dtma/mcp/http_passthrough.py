"""A client and a server of the same era: what they say passes through as bytes.

The only thing added is what a tool call cost, in the ``_meta`` of its result.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from dtma.mcp.asgi import JSON, MAX_BODY_BYTES, respond, while_connected
from dtma.mcp.http_cost import answers, event_with_cost, is_tool_call, with_cost
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.messages import SERVER_GONE, parse
from dtma.observing.cost import Measurement, Meter
from lean_http import Answer, HttpError
from mcp_protocol.event_streams import Blocks, EventTooLarge
from mcp_protocol.messages import encode, failure

TOOLS_CHANGED = b'"notifications/tools/list_changed"'
_FORWARDED = frozenset(
    {b"accept", b"content-type", b"last-event-id", b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id"}
)
"""Of a client's request headers; anything that could be a credential stays here."""
_RETURNED = frozenset(
    {b"allow", b"cache-control", b"content-encoding", b"content-type", b"mcp-protocol-version", b"mcp-session-id", b"retry-after"}
)
HEAD_SECONDS = 0.03
_WITHOUT_LENGTH = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class PassThrough:
    """Carries a client's requests to the server in the container, whatever they are."""

    def __init__(self, upstream: HttpUpstream, meter: Meter, tools_changed: Callable[[], None]) -> None:
        self._upstream = upstream
        self._meter = meter
        self._tools_changed = tools_changed

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer a request whose body was read already."""
        lines = [b"%s: %s\r\n" % item for item in scope["headers"] if item[0] in _FORWARDED or item[0].startswith(b"mcp-param-")]
        carrying = self._carry(scope["method"].encode(), b"".join(lines), body, send)
        if scope["method"] != "POST":
            await while_connected(receive, carrying)
            return
        self._upstream.open_calls += 1
        try:
            await while_connected(receive, carrying)
        finally:
            self._upstream.open_calls -= 1

    async def _carry(self, method: bytes, headers: bytes, body: bytes, send: Send) -> None:
        measurement = self._meter.begin() if method == b"POST" and is_tool_call(body) else None
        client = _Client(send)
        answer: Answer | None = None
        try:
            answer = await self._upstream.request(method, headers, body)
            client.prepare(answer)
            if answer.is_stream:
                await self._events(client, answer, body, measurement)
            else:
                await self._message(client, answer, measurement, bodiless=method == b"HEAD")
        except HttpError as error:
            await client.fail(body, f"The server in the container does not answer: {error}")
        finally:
            client.settle()
            if answer is not None:
                answer.leave()
            if measurement is not None:
                measurement.end()

    async def _message(self, client: _Client, answer: Answer, measurement: Measurement | None, *, bodiless: bool) -> None:
        """What is no stream: in one piece, if it has come or what a call cost must be added; beyond the largest message as it comes."""
        if b"content-encoding" in answer.headers:
            measurement = None
        piece = await self._heard(answer)
        if measurement is not None and not answer.complete:
            piece = await self._up_to_largest(answer, piece)
        if answer.complete:
            piece = piece if measurement is None else with_cost(piece, measurement.end)
            await client.whole(piece, told_length=not bodiless and answer.status not in _WITHOUT_LENGTH)
            return
        while piece:
            await client.send(piece)
            piece = await self._heard(answer)
        await client.end()

    async def _events(self, client: _Client, answer: Answer, request: bytes, measurement: Measurement | None) -> None:
        """Event by event, so that one that broke off is never taken for a whole one, up to the response."""
        blocks = Blocks(MAX_BODY_BYTES)
        client.begin_soon()
        try:
            while chunk := await self._heard(answer):
                for block in blocks.feed(chunk):
                    if TOOLS_CHANGED in block:
                        self._tools_changed()
                    told = block if measurement is None else event_with_cost(block, measurement.end)
                    if answers(block, request):  # nothing comes after it (2025-11-25, transports)
                        await client.end(told)
                        answer.finish()
                        return
                    await client.send(told)
        except EventTooLarge:  # nothing of it is looked at, but it still passes
            await client.send(blocks.rest)
            while chunk := await self._heard(answer):
                await client.send(chunk)
            await client.end()
        else:
            await client.end(blocks.rest)

    async def _up_to_largest(self, answer: Answer, piece: bytes) -> bytes:
        """All of a body, unless it is larger than a message may be."""
        body = bytearray(piece)
        while len(body) <= MAX_BODY_BYTES and (piece := await self._heard(answer)):
            body += piece
        return bytes(body)

    async def _heard(self, answer: Answer) -> bytes:
        piece = await answer.next()
        self._upstream.heard_at = time.monotonic()
        return piece


class _Client:
    """What the client gets. The head is sent with the first piece, which costs both sides half of what two of them do."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._started = False
        self._events = False
        self._soon: asyncio.TimerHandle | None = None
        self._beginning: asyncio.Task[None] | None = None

    def prepare(self, answer: Answer) -> None:
        """The status and headers that the server gave."""
        self._status = answer.status
        self._headers = [item for item in answer.headers.items() if item[0] in _RETURNED]
        self._events = answer.is_stream

    async def whole(self, body: bytes, *, told_length: bool) -> None:
        """The answer in one piece."""
        if told_length:
            self._headers.append((b"content-length", b"%d" % len(body)))
        await self.end(body)

    def begin_soon(self) -> None:
        """Send the head by itself if nothing comes at once: that the stream is open may have to be known long before the first event."""
        self._soon = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._begin_alone)

    def _begin_alone(self) -> None:
        self._beginning = asyncio.create_task(self.begin())

    async def begin(self) -> None:
        """The head."""
        self.settle()
        if not self._started:
            self._started = True
            await self._send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        elif self._beginning is not None and self._beginning is not asyncio.current_task():
            await self._beginning

    def settle(self) -> None:
        """The head is not sent by itself any more."""
        if self._soon is not None:
            self._soon.cancel()

    async def send(self, piece: bytes) -> None:
        """A piece of the body."""
        await self.begin()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, last: bytes = b"") -> None:
        """The last piece of the body."""
        await self.begin()
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def fail(self, request: bytes, text: str) -> None:
        """The server broke off: the client is told, where that is still possible."""
        message = encode(failure(_id_of(request), SERVER_GONE, text))
        self.settle()
        if self._beginning is not None:
            await self._beginning
        if self._started:
            await self.end(b"event: message\ndata: " + message + b"\n\n" if self._events and request else b"")
        else:
            await respond(self._send, HTTPStatus.BAD_GATEWAY, JSON, body=message)


def _id_of(request: bytes) -> object:
    try:
        message = parse(request)
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None
