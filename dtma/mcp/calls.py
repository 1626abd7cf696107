"""An open request at a server, as a bridge keeps it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from dtma.mcp.connection import Client
from dtma.mcp.versions import INTERACTIVE
from dtma.observing.cost import Measurement
from mcp_protocol.messages import Message, meta_of, params_of
from mcp_protocol.versions import LOG_LEVEL, SUBSCRIPTION

MAX_WAITING = 1000
MAX_WAITING_BYTES = 16 * 1024 * 1024


class Carrier(Protocol):
    """What carries a call's messages to its server."""

    async def answer(self, call: Call, response: Message) -> None:
        """The client's answer to a question of the server."""

    async def abandon(self, call: Call, reason: str) -> None:
        """Nobody waits any more."""


class Call:
    """Ids and tokens of the client's on one side, our own on the other (an ``Exchange``)."""

    def __init__(self, carrier: Carrier, ours: str, request: Message, owner: Client | None) -> None:
        params = params_of(request)
        meta = meta_of(params)
        self.ours = ours
        self.theirs = request.get("id")
        self.method = str(request["method"])
        self.params = params
        self.token = meta.get("progressToken")
        self.level = meta.get(LOG_LEVEL)
        self.owner = owner
        """None: DTMA itself."""
        self.interactive = owner is not None and self.method in INTERACTIVE
        self.inside = False
        """Whether it holds a place in the connection's gate."""
        self.turn: asyncio.Task[None] | None = None
        """Where it waits for one."""
        self.sent = False
        """Whether the server may know of it."""
        self.abandoned = False
        """Whether nobody waits any more, though the server may still be at it."""
        self.questions: dict[Any, Any] = {}
        """Open questions of the server: their ids, and the progress tokens that they carry."""
        self.measurement: Measurement | None = None
        self.outgoing: Message = {**request, "id": ours}
        if self.token is not None:
            self.outgoing["params"] = {**params, "_meta": {**meta, "progressToken": ours}}
        self._carrier = carrier
        self._inbox: deque[tuple[Message, int]] = deque()
        self._size = 0
        self._arrived = asyncio.Event()

    def put(self, message: Message, size: int = 0) -> None:
        """Take a message; of more notifications than anybody fetches, the oldest are dropped. ``size`` is in bytes."""
        self._inbox.append((message, size))
        self._size += size
        self._arrived.set()
        while len(self._inbox) > MAX_WAITING or self._size > MAX_WAITING_BYTES:
            if not self._drop_oldest():
                break

    async def next(self) -> Message:
        """The next message; one without ``method`` is the response and the last."""
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()
        message, size = self._inbox.popleft()
        self._size -= size
        return message

    async def answer(self, response: Message) -> None:
        """The client's response to a question of the server."""
        await self._carrier.answer(self, response)

    async def cancel(self, reason: str) -> None:
        """Nobody waits any more: tell the server. Nothing happens after the response."""
        await self._carrier.abandon(self, reason)

    def in_their_words(self, message: Message, content: Message) -> Message:
        """A message whose subscription, where it names one, is this call (MCP 2026-07-28, ``subscriptions/listen``)."""
        meta = meta_of(content)
        if SUBSCRIPTION in meta:
            meta[SUBSCRIPTION] = self.theirs
        return message

    def _drop_oldest(self) -> bool:
        for index, (message, size) in enumerate(self._inbox):
            if "method" in message and "id" not in message:
                del self._inbox[index]
                self._size -= size
                return True
        return False
