"""``subscriptions/listen`` (MCP 2026-07-28) at a server of the handshake era."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dtma.mcp.connection import Connection
from dtma.mcp.sessions import Listener
from dtma.mcp.wishes import SUBSCRIBE
from mcp_protocol.messages import Message, is_response, meta_of, notification, params_of, success
from mcp_protocol.versions import SUBSCRIPTION

MAX_WATCHED = 1000
_LISTS = {
    "toolsListChanged": ("tools", "notifications/tools/list_changed"),
    "promptsListChanged": ("prompts", "notifications/prompts/list_changed"),
    "resourcesListChanged": ("resources", "notifications/resources/list_changed"),
}
_FOREVER = 3600.0


class Listening:
    """One subscription: an ``Exchange`` for its client, and to the server the ``Client`` that watches its resources."""

    def __init__(self, connection: Connection, request: Message, on_end: Callable[[Listening], None]) -> None:
        self.capabilities: Message = {}
        self.info: Message = {}
        self._connection = connection
        self._id = request["id"]
        asked = params_of(request).get("notifications")
        self._asked: Message = asked if isinstance(asked, dict) else {}
        self._lists: set[str] = set()
        self._listener = Listener()
        self._on_end = on_end

    async def begin(self) -> None:
        """Ask the server for what the client wants; what it grants is the first message."""
        offered = self._connection.opening.get("capabilities") or {}
        granted: Message = {}
        for name, (capability, method) in _LISTS.items():
            if self._asked.get(name) is True and (offered.get(capability) or {}).get("listChanged"):
                self._lists.add(method)
                granted[name] = True
        uris = self._asked.get("resourceSubscriptions")
        if isinstance(uris, list) and (offered.get("resources") or {}).get("subscribe"):
            watched = [uri for uri in uris[:MAX_WATCHED] if isinstance(uri, str) and await self._watch(uri)]
            granted |= {"resourceSubscriptions": watched} if watched else {}
        # What changed in the meantime comes after it.
        waiting, self._listener = self._listener, Listener()
        self._put(notification("notifications/subscriptions/acknowledged", {"notifications": granted}))
        for message in waiting.rest():
            self._listener.put(message)

    def heard(self, message: Message) -> None:
        """Something that the server says to everybody."""
        if message["method"] in self._lists:
            self._put(message)

    def put(self, message: Message) -> None:
        """A resource that this one watches has changed."""
        self._put(message)

    def end(self) -> None:
        """The server is gone: the subscription is over."""
        self._listener.end()

    async def next(self) -> Message:
        """The next change; the response when the subscription is over."""
        while (message := await self._listener.next(_FOREVER)) is None:
            if self._listener.ended:
                return success(self._id, {"resultType": "complete", "_meta": {SUBSCRIPTION: self._id}})
        return message

    async def answer(self, response: Message) -> None:
        """Nothing is asked."""

    async def cancel(self, reason: str) -> None:
        """Nobody listens any more."""
        self._on_end(self)
        await self._connection.leave(self)

    def _put(self, message: Message) -> None:
        params = params_of(message)
        meta: Message = {**meta_of(params), SUBSCRIPTION: self._id}
        self._listener.put({**message, "params": {**params, "_meta": meta}})

    async def _watch(self, uri: str) -> bool:
        request: Message = {"jsonrpc": "2.0", "id": f"watch {uri}", "method": SUBSCRIBE, "params": {"uri": uri}}
        exchange = await self._connection.open(request, self)
        response: dict[str, Any] = await exchange.next()
        while not is_response(response):
            response = await exchange.next()
        return "error" not in response
