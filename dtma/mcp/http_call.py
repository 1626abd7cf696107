"""A request in the one session that DTMA keeps with an HTTP server of the handshake era, and what its answer says to the client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from dtma.mcp.connection import Client
from dtma.mcp.http_exchange import events_of, rpc_messages
from dtma.mcp.questions import offers
from dtma.observing.cost import Measurement
from lean_http import Answer
from mcp_protocol.messages import METHOD_NOT_FOUND, Message, failure, is_response, meta_of, params_of, success

RESUME_SECONDS = 1.0
"""How long to wait before an answer that broke off is resumed, where the server does not say."""


class HttpCall:
    """Ids and progress tokens of the client's on one side, ours on the other, since many clients share the session."""

    def __init__(self, ours: str, request: Message, owner: Client | None, measurement: Measurement | None) -> None:
        params = params_of(request)
        meta = meta_of(params)
        self.ours = ours
        self.theirs = request.get("id")
        self.method = str(request["method"])
        self.params = params
        self.owner = owner
        self.outgoing: Message = {**request, "id": ours}
        self.last_event: str | None = None
        self.retry_seconds = RESUME_SECONDS
        self.complete = False
        self.measurement = measurement
        self._token = meta.get("progressToken")
        if self._token is not None:
            self.outgoing["params"] = {**params, "_meta": {**meta, "progressToken": ours}}

    def back(self, response: Message) -> Message:
        """The response as the client knows it, with what the call cost."""
        self.complete = True
        return {**with_cost(response, self.measurement), "id": self.theirs}

    async def messages(self, response: Answer) -> AsyncGenerator[Message]:
        """What an event stream says in this call, up to the response."""
        async for event in events_of(response):
            self.last_event = event.id or self.last_event
            self.retry_seconds = self.retry_seconds if event.retry_ms is None else event.retry_ms / 1000
            for message in rpc_messages(event.data):
                if not is_response(message):
                    yield message
                elif message.get("id") == self.ours:
                    yield self.back(message)
                    return

    def progress(self, message: Message) -> Message | None:
        """A progress notification with the client's token; None if it asked for none."""
        params = params_of(message)
        if self._token is None or params.get("progressToken") != self.ours:
            return None
        return {**message, "params": {**params, "progressToken": self._token}}


def with_cost(message: Message, measurement: Measurement | None) -> Message:
    """A response with what the call cost in the ``_meta`` of its result; any other message as it is."""
    result = message.get("result")
    if measurement is None or not is_response(message) or not isinstance(result, dict) or not (cost := measurement.end()):
        return message
    return {**message, "result": {**result, "_meta": {**meta_of(result), **cost}}}


def refusal(question: Message, owner: Client | None) -> Message | None:
    """What DTMA itself answers to a request of the server; None if it is one for this client."""
    method = str(question["method"])
    if method == "ping":
        return success(question["id"], {})
    if owner is None:
        return failure(question["id"], METHOD_NOT_FOUND, f"{method} was asked outside of any client's call, so nobody can answer it.")
    if not offers(owner.capabilities, method, params_of(question)):
        return failure(question["id"], METHOD_NOT_FOUND, f"{method} is not offered by the client whose call this belongs to.")
    return None


def key_of(owner: Client | None, request_id: Any) -> tuple[int, Any]:
    """Of a client's request; ids of different clients may be equal."""
    return id(owner), request_id if isinstance(request_id, str | int | float) else None


def ignore(message: Message) -> None:
    """Nobody has said yet what to do with messages that belong to no call."""
