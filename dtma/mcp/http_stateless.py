"""The connection to an HTTP server of the stateless era (MCP 2026-07-28): a POST for every request, and nothing between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import nullcontext
from typing import Any

from dtma.mcp.connection import Client, Era
from dtma.mcp.handshake import discover
from dtma.mcp.http_call import ignore, key_of, with_cost
from dtma.mcp.http_exchange import HttpExchange, events_of, message_of, result_of, rpc_messages
from dtma.mcp.http_session import JSON_HEADERS
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.versions import OURSELVES
from dtma.observing.cost import Measurement, Meter
from lean_http import Answer
from mcp_protocol.headers import header_value, parameter_headers, rules_of
from mcp_protocol.messages import Message, encode, is_response, meta_of, params_of
from mcp_protocol.versions import CAPABILITIES, CLIENT_INFO, NAMED, STATELESS_VERSIONS, VERSION

_ENVELOPE: Message = {VERSION: STATELESS_VERSIONS[0], CAPABILITIES: {}, CLIENT_INFO: OURSELVES}


class StatelessConnection:
    """Implements ``dtma.mcp.connection.Connection``. ``tools`` are the definitions as last listed: they say which arguments are headers.

    Ids and progress tokens stay the client's own, since no two requests have anything in common.
    """

    def __init__(
        self,
        upstream: HttpUpstream,
        meter: Meter,
        seconds: float,
        hear: Callable[[Message], None],
        tools: Callable[[], tuple[Message, ...]],
    ) -> None:
        self.era = Era.STATELESS
        self.opening: Message = {}
        self.on_message: Callable[[Message], None] = ignore
        self._hear = hear
        self._upstream = upstream
        self._meter = meter
        self._seconds = seconds
        self._tools = tools
        self._open: dict[tuple[int, Any], HttpExchange] = {}

    async def begin(self) -> Message:
        """Ask the server what it is, unless that is known; raises ``Failure``."""
        return self.opening or await discover(self, self._seconds)

    async def open(self, request: Message, owner: Client | None) -> HttpExchange:
        """Send a client's request; ``owner`` is None for DTMA's own."""
        params = params_of(request)
        enveloped = {**request, "params": {**params, "_meta": _ENVELOPE | meta_of(params)}}
        key = key_of(owner, request.get("id"))
        measurement = self._meter.begin() if request["method"] == "tools/call" else None

        def over() -> None:
            self._open.pop(key, None)
            if measurement is not None:
                measurement.end()

        messages = self._messages(enveloped, owner, measurement)
        exchange = HttpExchange(request.get("id"), messages, _nobody_asked, _closed, over)
        if owner is not None:
            self._open[key] = exchange
        return exchange

    async def notify(self, notification: Message, owner: Client) -> None:
        """A cancellation ends the request that it means; servers of this era take no other notification over HTTP."""
        if notification.get("method") == "notifications/cancelled":
            exchange = self._open.get(key_of(owner, params_of(notification).get("requestId")))
            if exchange is not None:
                await exchange.cancel("The client cancelled the request.")

    async def leave(self, owner: Client) -> None:
        """That client ended: so do its requests."""
        for exchange in [exchange for key, exchange in self._open.items() if key[0] == id(owner)]:
            await exchange.cancel("The client ended its session.")

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The result of a request of DTMA's own; raises ``RpcError``."""
        message: Message = {"jsonrpc": "2.0", "id": "dtma", "method": method} | ({} if params is None else {"params": params})
        return await result_of(await self.open(message, None), method)

    async def initialized(self) -> None:
        """There is no handshake in this era."""

    def changed(self, message: Message) -> None:
        """A list changed, as DTMA's own subscription says."""
        self._hear(message)
        self.on_message(message)

    async def _messages(self, request: Message, owner: Client | None, measurement: Measurement | None) -> AsyncGenerator[Message]:
        with self._upstream.calling() if owner is not None else nullcontext():
            async for message in self._answer(request):
                yield with_cost(message, measurement)

    async def _answer(self, request: Message) -> AsyncGenerator[Message]:
        async with self._upstream.open("POST", [*JSON_HEADERS, *self._routing(request)], encode(request)) as response:
            if not response.is_stream:
                yield await message_of(response, request["id"])
                return
            async for message in self._told(response, request["id"]):
                yield message

    async def _told(self, response: Answer, request_id: Any) -> AsyncGenerator[Message]:
        """What an event stream says, up to the response. Servers of this era make no requests."""
        async for event in events_of(response):
            for message in rpc_messages(event.data):
                if "method" in message and "id" not in message:
                    yield message
                elif is_response(message) and message.get("id") == request_id:
                    yield message
                    response.finish()
                    return

    def _routing(self, request: Message) -> Iterator[tuple[str, str]]:
        """The headers that repeat what the message says (2026-07-28, transports, request headers)."""
        method, params = str(request["method"]), params_of(request)
        yield "MCP-Protocol-Version", str(params["_meta"][VERSION])
        yield "Mcp-Method", method
        name = params.get(NAMED.get(method, ""))
        if isinstance(name, str):
            yield "Mcp-Name", header_value(name)
        if method == "tools/call":
            schema = next((tool.get("inputSchema") for tool in self._tools() if tool.get("name") == name), None)
            yield from parameter_headers(params.get("arguments"), rules_of(schema))


async def _nobody_asked(response: Message) -> None:
    """Servers of this era never ask in the middle of a call."""


async def _closed(reason: str) -> None:
    """The stream of the answer is closed by now, which is how a server of this era is told."""
