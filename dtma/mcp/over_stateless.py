"""The handshake era spoken over a connection of the stateless era: clients of MCP 2025-11-25 and older on servers of 2026-07-28.

``initialize`` is answered from what the server said of itself. A result of the type ``input_required`` is answered by asking the client,
and the request sent again with what it says. Log levels become part of each request, and subscriptions streams of DTMA's own.
"""

from __future__ import annotations

from collections.abc import Callable

from dtma.mcp.answered import Answered
from dtma.mcp.connection import Client, Connection, Era, Exchange
from dtma.mcp.messages import BUSY
from dtma.mcp.rounds import Rounds
from dtma.mcp.subscription import Subscription
from dtma.mcp.versions import OURSELVES, enveloped
from dtma.mcp.wishes import SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE, Wishes
from mcp_protocol.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, failure, params_of, success
from mcp_protocol.versions import LEVELS, SERVER_INFO, VERSIONS

MAX_SUBSCRIPTIONS = 1000
_LISTS: Message = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


class OverStateless:
    """A ``Connection``. It listens to the server from the beginning, for DTMA too must know when tools change."""

    era = Era.HANDSHAKE

    def __init__(self, connection: Connection) -> None:
        self.on_message: Callable[[Message], None] = _ignore
        self._connection = connection
        self._wishes = Wishes()
        self._watched: dict[str, Subscription] = {}
        self._lists = Subscription(connection, _LISTS, self._heard)

    @property
    def opening(self) -> Message:
        """An ``InitializeResult`` made of the server's ``DiscoverResult``."""
        said = self._connection.opening
        meta = said.get("_meta")
        server = meta.get(SERVER_INFO) if isinstance(meta, dict) else None
        found: Message = {
            "protocolVersion": VERSIONS[0],
            "capabilities": said.get("capabilities") or {},
            "serverInfo": server if isinstance(server, dict) else {"name": "unknown", "version": "0"},
        }
        return found | ({"instructions": said["instructions"]} if "instructions" in said else {})

    async def open(self, request: Message, owner: Client) -> Exchange:
        """Send a client's request."""
        method, params = str(request["method"]), params_of(request)
        if method == "ping":
            return Answered(success(request["id"], {}))
        if method == SET_LEVEL:
            return Answered(self._set_level(request, owner))
        if method in (SUBSCRIBE, UNSUBSCRIBE):
            return Answered(await self._watch(request, owner))
        if method in ("server/discover", "subscriptions/listen"):
            return Answered(failure(request["id"], METHOD_NOT_FOUND, f"{method} does not exist in MCP {VERSIONS[0]}."))
        sent = {**request, "params": enveloped(params, owner.capabilities, owner.info or OURSELVES, self._wishes.level_of(owner))}
        return Rounds(self._connection, await self._connection.open(sent, owner), sent, owner)

    async def notify(self, notification: Message, owner: Client) -> None:
        """Send a client's notification: a cancellation, for the stateless era knows no other."""
        if notification.get("method") == "notifications/cancelled":
            await self._connection.notify(notification, owner)

    async def leave(self, owner: Client) -> None:
        """That client ended: what it watched is watched for others only."""
        for method, params in self._wishes.leave(owner):
            if method == UNSUBSCRIBE:
                self._unwatch(str(params["uri"]))
        await self._connection.leave(owner)

    def close(self) -> None:
        """The server is gone."""
        for subscription in (self._lists, *self._watched.values()):
            subscription.close()

    def _set_level(self, request: Message, owner: Client) -> Message:
        if "logging" not in self.opening["capabilities"]:
            return failure(request["id"], METHOD_NOT_FOUND, "This server does not log to clients.")
        if params_of(request).get("level") not in LEVELS:
            return failure(request["id"], INVALID_PARAMS, f"The level is one of {', '.join(LEVELS)}.")
        self._wishes.wish(SET_LEVEL, params_of(request), owner)
        return success(request["id"], {})

    async def _watch(self, request: Message, owner: Client) -> Message:
        method, uri = str(request["method"]), params_of(request).get("uri")
        if not isinstance(uri, str):
            return failure(request["id"], INVALID_PARAMS, "The uri of the resource is missing.")
        if method == UNSUBSCRIBE:
            if self._wishes.wish(method, {"uri": uri}, owner) is not None:
                self._unwatch(uri)
            return success(request["id"], {})
        if len(self._watched) >= MAX_SUBSCRIPTIONS and uri not in self._watched:
            return failure(request["id"], BUSY, f"{MAX_SUBSCRIPTIONS} resources of this server are watched already.")
        self._wishes.wish(method, {"uri": uri}, owner)
        subscription = self._watched.get(uri)
        if subscription is None:
            subscription = self._watched[uri] = Subscription(self._connection, {"resourceSubscriptions": [uri]}, self._heard)
        refusal = await subscription.granted()
        if refusal is None:
            return success(request["id"], {})
        self._wishes.refused(method, {"uri": uri}, owner)
        self._unwatch(uri)
        return {**refusal, "id": request["id"]}

    def _unwatch(self, uri: str) -> None:
        subscription = self._watched.pop(uri, None)
        if subscription is not None:
            subscription.close()

    def _heard(self, message: Message) -> None:
        if message["method"] == "notifications/resources/updated":
            for client in self._wishes.watchers(str(params_of(message).get("uri"))):
                client.put(message)
        else:
            self.on_message(message)


def _ignore(message: Message) -> None:
    """Nobody has said yet what to do with messages that belong to no call."""
