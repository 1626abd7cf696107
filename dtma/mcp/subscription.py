"""A subscription of DTMA's own at a server of the stateless era, for clients of the other one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dtma.mcp.connection import Connection, Exchange
from dtma.mcp.versions import OURSELVES, enveloped
from dtma.tasks import background
from mcp_protocol.messages import Message, is_response, meta_of, params_of
from mcp_protocol.versions import SUBSCRIPTION

PAUSE_SECONDS = 1.0
"""Before a subscription that the server ended is begun anew."""


class Subscription:
    """Listens until it is closed, or refused. To the server it is the ``Client`` that asked."""

    def __init__(self, connection: Connection, wanted: Message, take: Callable[[Message], None]) -> None:
        self.capabilities: Message = {}
        self.info: Message = OURSELVES
        self._connection = connection
        self._wanted = wanted
        self._take = take
        self._begun = asyncio.Event()
        self._refusal: Message | None = None
        self._listening = background(self._listen(), "listening to a server of MCP 2026-07-28")

    async def granted(self) -> Message | None:
        """Return when the server listens to it; the server's error if it does not want to."""
        await self._begun.wait()
        return self._refusal

    def put(self, message: Message) -> None:
        """All that it hears belongs to its request."""

    def close(self) -> None:
        """Nobody wants it any more."""
        self._listening.cancel()

    async def _listen(self) -> None:
        while True:
            params = enveloped({"notifications": self._wanted}, self.capabilities, self.info)
            request: Message = {"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params}
            exchange = await self._connection.open(request, self)
            try:
                response = await self._hear(exchange)
            finally:
                await exchange.cancel("Nobody listens any more.")
            if "error" in response:
                self._refusal = response
                self._begun.set()
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _hear(self, exchange: Exchange) -> Message:
        while not is_response(message := await exchange.next()):
            if message["method"] == "notifications/subscriptions/acknowledged":
                self._begun.set()
                continue
            params = dict(params_of(message))
            meta = {name: value for name, value in meta_of(params).items() if name != SUBSCRIPTION}
            params.pop("_meta", None)
            self._take({**message, "params": {**params, "_meta": meta} if meta else params})
        return message
