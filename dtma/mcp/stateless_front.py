"""Clients of the stateless era (MCP 2026-07-28): every POST is a request that stands for itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Receive, Send

from dtma.mcp.asgi import JSON, Refused, accepts_events, respond, while_connected
from dtma.mcp.connection import Busy, Connection
from dtma.mcp.messages import BUSY
from dtma.mcp.stateless_rules import ParameterHeaders, check
from dtma.mcp.streams import KEEPALIVE_SECONDS, EventWriter, within
from mcp_protocol.messages import INVALID_REQUEST, STATUS, Message, encode, failure, is_response
from mcp_protocol.versions import CAPABILITIES, CLIENT_INFO

LISTEN = "subscriptions/listen"


class Visitor:
    """Whoever sent one request (a ``Client``)."""

    def __init__(self, meta: Message) -> None:
        info = meta.get(CLIENT_INFO)
        self.capabilities: Message = meta[CAPABILITIES]
        self.info: Message = info if isinstance(info, dict) else {}

    def put(self, message: Message) -> None:
        """Outside of its request there is no way to reach it."""


class StatelessFront:
    """``connect`` gives the connection that all share."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], parameters: ParameterHeaders) -> None:
        self._connect = connect
        self._parameters = parameters

    async def post(self, headers: Headers, message: Message, receive: Receive, send: Send) -> None:
        """A message of a client's; raises ``Refused``."""
        if is_response(message):
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "Clients send no responses in this version: nothing was asked.")
        if "id" not in message:  # one cancels by leaving, and no other notification means anything without a session
            await respond(send, HTTPStatus.ACCEPTED)
            return
        client = Visitor(check(headers, message))
        if message["method"] == "tools/call":
            self._parameters.check(headers, message)
        events = accepts_events(headers)
        if message["method"] == LISTEN and not events:
            text = f"{LISTEN} is answered by an event stream: accept text/event-stream."
            raise Refused(HTTPStatus.NOT_ACCEPTABLE, INVALID_REQUEST, text, None, message["id"])
        await while_connected(receive, self._answer(message, client, events, send))

    async def _answer(self, message: Message, client: Visitor, events: bool, send: Send) -> None:
        try:
            exchange = await (await self._connect()).open(message, client)
        except Busy as busy:
            await respond(send, HTTPStatus.SERVICE_UNAVAILABLE, JSON, body=encode(failure(message["id"], BUSY, str(busy))))
            return
        try:
            first = await within(KEEPALIVE_SECONDS, exchange)
            while not events and (first is None or not is_response(first)):
                first = await exchange.next()
            if first is not None and is_response(first):
                await respond(send, _status(first), JSON, body=encode(first))
                return
            writer = EventWriter(send)
            await writer.start()
            last = first
            while last is None or not is_response(last):
                await (writer.comment(b"ping") if last is None else writer.event(encode(last)))
                last = await within(KEEPALIVE_SECONDS, exchange)
            await writer.event(encode(last))
            await writer.end()
        finally:
            # Ends the call on the server if the client left, or if DTMA itself is being stopped.
            await exchange.cancel("The client disconnected.")


def _status(response: Message) -> HTTPStatus:
    error = response.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return STATUS.get(code, HTTPStatus.OK) if isinstance(code, int) else HTTPStatus.OK
