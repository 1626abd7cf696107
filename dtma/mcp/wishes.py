"""What the clients of one shared connection of the handshake era asked to hear: log levels and resources.

The server knows one client, so it is asked for the most verbose level and for all resources; what it then says goes to those who asked.
"""

from __future__ import annotations

from dtma.mcp.connection import Client
from dtma.mcp.versions import at_least
from mcp_protocol.messages import Message
from mcp_protocol.versions import LEVELS

SET_LEVEL = "logging/setLevel"
SUBSCRIBE = "resources/subscribe"
UNSUBSCRIBE = "resources/unsubscribe"
METHODS = frozenset({SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE})


class Wishes:
    """Whose wish is what."""

    def __init__(self) -> None:
        self._levels: dict[Client, str] = {}
        self._level: str | None = None
        self._watched: dict[str, set[Client]] = {}

    def wish(self, method: str, params: Message, client: Client) -> Message | None:
        """Note what a client asks for; returns the parameters of what the server must be asked, None if it does so already."""
        if method == SET_LEVEL:
            level = params.get("level")
            if level not in LEVELS:
                return params  # the server says what is wrong with it
            self._levels[client] = str(level)
            return self._level_changed(params)
        uri = str(params.get("uri"))
        if method == SUBSCRIBE:
            watchers = self._watched.setdefault(uri, set())
            known = bool(watchers - {client})
            watchers.add(client)
            return None if known else params
        return None if self._unwatch(uri, client) else params

    def refused(self, method: str, params: Message, client: Client) -> None:
        """The server did not grant a wish."""
        if method == SET_LEVEL:
            self._levels.pop(client, None)
            self._level = None
        elif method == SUBSCRIBE:
            self._unwatch(str(params.get("uri")), client)

    def leave(self, client: Client) -> list[tuple[str, Message]]:
        """A client ended; returns what the server must be asked, methods and parameters."""
        requests: list[tuple[str, Message]] = []
        if self._levels.pop(client, None) is not None and self._levels and (params := self._level_changed({})) is not None:
            requests.append((SET_LEVEL, params))
        watched = [uri for uri, watchers in self._watched.items() if client in watchers]
        requests += [(UNSUBSCRIBE, {"uri": uri}) for uri in watched if not self._unwatch(uri, client)]
        return requests

    def watchers(self, uri: str) -> set[Client]:
        """Who watches this resource, or one that it is a part of."""
        found: set[Client] = set()
        for watched, clients in self._watched.items():
            if uri == watched or (uri.startswith(watched) and (watched.endswith("/") or uri[len(watched)] in "/?#")):
                found |= clients
        return found

    def level_of(self, client: Client) -> str | None:
        """The level that a client asked for."""
        return self._levels.get(client)

    def wants(self, client: Client, level: object) -> bool:
        """Whether a client wants log messages of this level; who never said so takes what comes."""
        wanted = self._levels.get(client)
        return wanted is None or at_least(level, wanted)

    def _level_changed(self, params: Message) -> Message | None:
        level = min(self._levels.values(), key=LEVELS.index)
        if level == self._level:
            return None
        self._level = level
        return {**params, "level": level}

    def _unwatch(self, uri: str, client: Client) -> bool:
        """Forget that a client watches; whether others still do."""
        watchers = self._watched.get(uri, set())
        watchers.discard(client)
        if not watchers:
            self._watched.pop(uri, None)
        return bool(watchers)
