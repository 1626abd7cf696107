"""A handshake-era session with an HTTP server (MCP 2025-11-25, Streamable HTTP), as DTMA's own client."""

from __future__ import annotations

import asyncio
import itertools

from dtma.mcp.http_exchange import NotMcp, events_of, message_of, rpc_messages
from dtma.mcp.http_upstream import CONNECT_SECONDS, HttpUpstream
from dtma.mcp.messages import RpcError
from lean_http import Answer, HttpError
from mcp_protocol.event_streams import EventTooLarge
from mcp_protocol.messages import Message, encode
from mcp_protocol.versions import VERSIONS

JSON_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"))
EVENTS = ("Accept", "text/event-stream")

TAKEN_SECONDS = 10.0
"""For so long a server may take over a notification."""


class HttpSession:
    """From ``initialize`` to DELETE. ``id`` stays None where the server keeps no sessions."""

    def __init__(self, upstream: HttpUpstream) -> None:
        self._upstream = upstream
        self.id: str | None = None
        self._version: str | None = None
        self._numbers = itertools.count(1)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What every POST of this session carries."""
        return [*JSON_HEADERS, *self.identity]

    @property
    def identity(self) -> list[tuple[str, str]]:
        """What says that a request belongs to this session."""
        headers: list[tuple[str, str]] = []
        if self.id is not None:
            headers.append(("Mcp-Session-Id", self.id))
        if self._version is not None:
            headers.append(("MCP-Protocol-Version", self._version))
        return headers

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The ``result`` of a request; raises ``RpcError``."""
        number = next(self._numbers)
        message: Message = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            message["params"] = params
        try:
            async with self._upstream.open("POST", self.headers, encode(message)) as response:
                if (named := response.headers.get(b"mcp-session-id")) is not None:
                    self.id = named.decode(errors="surrogateescape")
                answer = await _response(response, number)
        except HttpError as error:
            raise RpcError({"code": 0, "message": f"its HTTP answer to {method} broke off ({error})"}) from error
        except (NotMcp, EventTooLarge) as error:
            raise RpcError({"code": 0, "message": str(error).rstrip(".") or "its answer is too large"}) from error
        if "error" in answer:
            raise RpcError(answer["error"])
        result = answer.get("result")
        if not isinstance(result, dict):
            raise RpcError({"code": 0, "message": f"it answered {method} with something that is not a result"})
        if method == "initialize":
            self._version = str(result.get("protocolVersion", VERSIONS[0]))
        return result

    async def initialized(self) -> None:
        """The notification that ends the handshake."""
        await self.notify({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def notify(self, message: Message) -> None:
        """A notification, or a response to the server; raises ``RpcError``."""
        try:
            # One that hangs takes no message either: cancelling a call there must have an end.
            async with asyncio.timeout(TAKEN_SECONDS), self._upstream.open("POST", self.headers, encode(message)) as response:
                await response.read()
        except (HttpError, TimeoutError) as error:
            raise RpcError({"code": 0, "message": f"it did not take a message ({error})"}) from error

    async def leave(self) -> None:
        """End the session, if the server keeps it."""
        if self.id is None:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS), self._upstream.open("DELETE", self.headers) as response:
                await response.read()
        except (HttpError, TimeoutError):
            return


async def _response(response: Answer, request_id: int) -> Message:
    if not response.is_stream:
        return await message_of(response, request_id)
    async for event in events_of(response):
        for message in rpc_messages(event.data):
            if "method" not in message and message.get("id") == request_id:
                return message
    raise NotMcp("its answer ended without a response")
