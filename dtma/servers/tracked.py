"""A connection that knows for how long nobody has used it."""

from __future__ import annotations

import time
from collections.abc import Callable

from dtma.mcp.connection import Client, Connection, Era, Exchange
from mcp_protocol.messages import Message


class Tracked:
    """Passes everything on to ``connection``. What is opened on it counts as use until its response, or until it is cancelled."""

    def __init__(self, connection: Connection) -> None:
        self.era: Era = connection.era
        self.opening: Message = connection.opening
        self._connection = connection
        self._open = 0
        self._used_at = time.monotonic()

    @property
    def on_message(self) -> Callable[[Message], None]:
        """See ``Connection``."""
        return self._connection.on_message

    @on_message.setter
    def on_message(self, take: Callable[[Message], None]) -> None:
        self._connection.on_message = take

    @property
    def unused_for(self) -> float:
        """In seconds; 0 while a request is open."""
        return 0.0 if self._open else time.monotonic() - self._used_at

    def touch(self) -> None:
        """It is used now."""
        self._used_at = time.monotonic()

    async def open(self, request: Message, owner: Client) -> Exchange:
        """See ``Connection``."""
        self._open += 1
        try:
            return _TrackedExchange(await self._connection.open(request, owner), self._closed)
        except BaseException:
            self._closed()
            raise

    async def notify(self, notification: Message, owner: Client) -> None:
        """See ``Connection``."""
        self.touch()
        await self._connection.notify(notification, owner)

    async def leave(self, owner: Client) -> None:
        """See ``Connection``."""
        await self._connection.leave(owner)

    def _closed(self) -> None:
        self._open -= 1
        self.touch()


class _TrackedExchange:
    """An exchange that says once when it is over."""

    def __init__(self, exchange: Exchange, closed: Callable[[], None]) -> None:
        self._exchange = exchange
        self._closed: Callable[[], None] | None = closed

    async def next(self) -> Message:
        message = await self._exchange.next()
        if "method" not in message:
            self._over()
        return message

    async def answer(self, response: Message) -> None:
        await self._exchange.answer(response)

    async def cancel(self, reason: str) -> None:
        self._over()
        await self._exchange.cancel(reason)

    def _over(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()
