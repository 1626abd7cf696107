"""Requests to one peer over connections that are kept."""

from __future__ import annotations

import asyncio

from lean_http.answer import Answer
from lean_http.connection import Connection
from lean_http.errors import HttpError, HungUp, TooSlow, Unreachable
from lean_http.peer import Peer

_REPEATABLE = frozenset({b"GET", b"HEAD", b"DELETE"})
"""Doing it twice is the same as doing it once (RFC 9110, section 9.2.2). A POST is never repeated: that it was not answered does not say
that it was not read.
"""
_BODILESS = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Client:
    """From one event loop; any number of requests at once."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._host = b" HTTP/1.1\r\nHost: %s\r\n" % peer.authority.encode()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def request(self, method: bytes, target: bytes, headers: bytes, body: bytes = b"") -> Answer:
        """Send one; ``headers`` are lines that end with CR LF. Every status is an answer, and there is no limit to the wait for it.

        Who is cancelled, or leaves the answer, hangs up. Raises what ``Peer.told`` makes of an ``HttpError``. A peer may hang up just when
        a kept connection is used again: what can be repeated is, once, if not a byte came back.
        """
        length = b"" if not body and method in _BODILESS else b"Content-Length: %d\r\n" % len(body)
        head = b"".join((method, b" ", target, self._host, length, headers, b"\r\n"))
        try:
            if (kept := self._kept()) is not None:
                try:
                    return await kept.ask(method, head, body)
                except HungUp:
                    if kept.heard or method not in _REPEATABLE:
                        raise
            return await (await self._connect()).ask(method, head, body)
        except HttpError as error:
            raise self.peer.told(error) from error.__cause__

    def close(self) -> None:
        """Hang up everywhere; requests under way fail."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._open):
            connection.abort()

    def release(self, connection: Connection) -> None:
        """A connection is free again."""
        if self._closed:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(self.peer.idle_seconds, self._sweep)

    def forget(self, connection: Connection) -> None:
        """A connection is over."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _kept(self) -> Connection | None:
        """The connection that was used last, if it may be used again."""
        oldest = asyncio.get_running_loop().time() - self.peer.idle_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = None
        oldest = loop.time() - self.peer.idle_seconds
        for connection in [one for one in self._idle if one.idle_since <= oldest]:
            connection.abort()
            self._idle.remove(connection)
        if self._idle:
            self._sweeping = loop.call_later(self.peer.idle_seconds / 2, self._sweep)

    async def _connect(self) -> Connection:
        peer, connection = self.peer, Connection(self)
        try:
            async with asyncio.timeout(peer.connect_seconds):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, peer.host, peer.port, ssl=peer.tls, server_hostname=peer.name
                )
        except TimeoutError as error:
            raise TooSlow(f"no connection within {peer.connect_seconds:g} s") from error
        except OSError as error:  # what is wrong with TLS is one too
            raise Unreachable(f"no connection: {error}") from error
        self._open.add(connection)
        if peer.admit is not None:
            try:
                await peer.admit(connection.transport)
            except BaseException:
                connection.abort()
                raise
        if self._closed:
            connection.abort()
        return connection
