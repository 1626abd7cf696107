"""A connection of the era that a client speaks: the server's own where it has one, else a translation."""

from __future__ import annotations

from collections.abc import Callable

from dtma.mcp.connection import Busy, Connection, Connections, Era
from dtma.mcp.over_handshake import OverHandshake
from dtma.mcp.over_stateless import OverStateless
from dtma.mcp.sessions import Session, Sessions
from mcp_protocol.messages import Message

type Translation = OverHandshake | OverStateless


class Interpreter:
    """Between one server's connections and its clients. What the server says to all is told to all sessions and subscriptions."""

    def __init__(self, connections: Connections, sessions: Sessions, tools_changed: Callable[[], None]) -> None:
        self._connections = connections
        self._sessions = sessions
        self._tools_changed = tools_changed
        self._heard_from: set[int] = set()
        self._shared: dict[Era, tuple[Connection, Connection]] = {}
        """By the era of clients: what the server gave, and what clients use."""
        self._own: dict[str, tuple[Connection, Connection]] = {}
        """The same by session."""

    async def shared(self, era: Era) -> Connection:
        """What clients of an era share; raises ``Busy``."""
        found = await self._connections.shared(era)
        if found is None:
            other = Era.STATELESS if era is Era.HANDSHAKE else Era.HANDSHAKE
            found = await self._connections.shared(other)
            if found is None:
                raise Busy("The server takes no requests now. Try again later.")
        known = self._shared.get(era)
        if known is None or known[0] is not found:
            if known is not None:
                _close(known[1])
            known = self._shared[era] = (found, _spoken(found, era))
            known[1].on_message = self._broadcast
            if known[1] is not found and found.era is Era.HANDSHAKE:
                found.on_message = self._broadcast
        return known[1]

    async def shared_stateless(self) -> Connection:
        """What clients without a session share; raises ``Busy``."""
        return await self.shared(Era.STATELESS)

    async def for_session(self, session: Session) -> Connection:
        """What one session uses; raises ``Busy`` and ``Gone``."""
        if not self._connections.per_session:
            return await self.shared(Era.HANDSHAKE)
        found = await self._connections.own(session.id)
        known = self._own.get(session.id)
        if known is None or known[0] is not found:
            known = self._own[session.id] = (found, _spoken(found, Era.HANDSHAKE))
            known[1].on_message = session.put
        return known[1]

    async def leave(self, session: Session) -> None:
        """A session ended: nothing of it stays open."""
        for stream in list(session.streams.values()):
            await stream.exchange.cancel("The client ended its session.")
        if self._connections.per_session:
            own = self._own.pop(session.id, None)
            if own is not None:
                _close(own[1])
            await self._connections.release(session.id)
        elif Era.HANDSHAKE in self._shared:
            await self._shared[Era.HANDSHAKE][1].leave(session)

    def close(self) -> None:
        """The server is gone."""
        for _, used in (*self._shared.values(), *self._own.values()):
            _close(used)

    def _broadcast(self, message: Message) -> None:
        if message.get("method") == "notifications/tools/list_changed":
            self._tools_changed()
        self._sessions.broadcast(message)
        stateless = self._shared.get(Era.STATELESS)
        if stateless is not None and isinstance(stateless[1], OverHandshake):
            stateless[1].heard(message)


def _spoken(connection: Connection, era: Era) -> Connection:
    if connection.era is era:
        return connection
    return OverHandshake(connection) if era is Era.STATELESS else OverStateless(connection)


def _close(connection: Connection) -> None:
    if isinstance(connection, OverHandshake | OverStateless):
        connection.close()
