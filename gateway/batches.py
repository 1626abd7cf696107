"""Batches of JSON-RPC messages, which MCP 2025-03-26 alone has: all requests of one are answered together, by one array."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.events import data_of, message_of
from mcp_protocol.messages import INVALID_REQUEST, Message, ProtocolError, encode, failure

BATCHES = "2025-03-26"
MOST = 100
UNASKED = "This client cannot be asked: its request is part of a batch."


class Collected:
    """Takes what one of the requests is answered with, in the place of the client. Of an event stream only the response counts: a question
    to the client is refused by ``refuse``, since nobody would see it before all is over.
    """

    def __init__(self, request: Message, refuse: Callable[[Message], Awaitable[None]]) -> None:
        self.request = request
        self._refuse = refuse
        self._streams = False
        self._body = b""

    async def send(self, part: Any) -> None:
        """A part of the answer, as ASGI has it."""
        if part["type"] == "http.response.start":
            self._streams = dict(part["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
        elif not self._streams:
            self._body += part.get("body", b"")
        elif data := data_of(part.get("body", b"")):  # an event is never divided
            said = message_of(data) or {}
            if "method" not in said:
                self._body = data
            elif "id" in said:
                await self._refuse(failure(said["id"], INVALID_REQUEST, UNASKED))

    @property
    def response(self) -> bytes:
        """The message."""
        return self._body or encode(failure(self.request["id"], INVALID_REQUEST, "The request was not answered."))


def check(messages: list[Any], version: str) -> None:
    """Raises `ProtocolError` where this cannot be a batch."""
    if version != BATCHES:
        raise ProtocolError(INVALID_REQUEST, f"Only MCP {BATCHES} has batches: send one message per request.", status=400)
    if not 0 < len(messages) <= MOST:
        raise ProtocolError(INVALID_REQUEST, f"A batch has 1 to {MOST} messages.", status=400)
