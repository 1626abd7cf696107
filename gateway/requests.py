"""One request at the gateway: who asks, for which agent, in which era, and what."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from agents.calling.types import Caller
from agents.models import ToolCall
from agents.toolsets.types import Toolset
from gateway.answers import Answer
from gateway.auth import Visitor
from gateway.rules import TWICE
from gateway.sessions import Session
from mcp_protocol.messages import STATUS, Message, encode, failure, object_of, params_of
from mcp_protocol.versions import CAPABILITIES, CLIENT_INFO, LOG_LEVEL

KEPT = frozenset({b"accept", b"content-type", b"last-event-id", b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id"})
"""Of the client's headers; anything that could be a credential is not looked at here."""


def headers_of(scope: Any) -> dict[bytes, bytes]:
    """The headers that count; one that appears twice is `TWICE`."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in KEPT or name.startswith(b"mcp-param-"):
            found[name] = TWICE if name in found else value
    return found


@dataclass(eq=False)
class Request:
    """One JSON-RPC request. ``session`` is None in the stateless era, where ``meta`` is the envelope.

    ``server`` is empty at the address of all servers.
    """

    visitor: Visitor
    toolset: Toolset
    server: str
    headers: dict[bytes, bytes]
    message: Message
    answer: Answer
    session: Session | None = None
    meta: Message = field(default_factory=dict)

    @property
    def id(self) -> Any:
        return self.message["id"]

    @property
    def method(self) -> str:
        return str(self.message["method"])

    @cached_property
    def params(self) -> Message:
        return params_of(self.message)

    @property
    def stateless(self) -> bool:
        return self.session is None

    @property
    def accept(self) -> bytes:
        """As the client says it, or both kinds."""
        given = self.headers.get(b"accept", b"")
        return given if given and given != TWICE else b"application/json, text/event-stream"

    @property
    def takes_events(self) -> bool:
        """Whether the client takes an event stream for an answer."""
        return any(kind in self.accept for kind in (b"text/event-stream", b"text/*", b"*/*"))

    @property
    def capabilities(self) -> Message:
        """Of the client."""
        return self.session.capabilities if self.session is not None else object_of(self.meta.get(CAPABILITIES))

    @property
    def info(self) -> Message:
        """What the client says it is."""
        return self.session.info if self.session is not None else object_of(self.meta.get(CLIENT_INFO))

    @property
    def log_level(self) -> str:
        """The log messages that the client wants; empty: it did not say."""
        return self.session.level if self.session is not None else str(self.meta.get(LOG_LEVEL) or "")

    @property
    def progress_token(self) -> str | int | None:
        """Under which the client wants to hear of progress."""
        token = object_of(self.params.get("_meta")).get("progressToken")
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None

    def caller(self, run: UUID | None = None) -> Caller:
        """As receipts name who asks."""
        visitor, info = self.visitor, self.info
        client = f"{info.get('name', '')} {info.get('version', '')}".strip()
        run = self.session.run if self.session is not None else run
        return Caller(visitor.user_id, ToolCall.Via.GATEWAY, visitor.token_id, visitor.token_name, visitor.token_per_minute, client, run)

    async def result(self, result: Message) -> None:
        """Answer with a result of the gateway's own."""
        if self.stateless:
            result = {"resultType": "complete", **result}
        await self.answer.json(200, b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (encode(self.id), encode(result)))

    async def error(self, code: int, text: str, data: Any = None, status: int | None = None) -> None:
        """Answer with an error."""
        if status is None:
            status = int(STATUS.get(code, 200)) if self.stateless else 200
        await self.answer.json(status, encode(failure(self.id, code, text, data)))
