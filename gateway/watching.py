"""What an open event stream of the gateway's own does beside what servers say: changes of the toolset, signs of life, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from agentopia.lib.errors import AgentopiaError, Unavailable
from agents.toolsets.cache import changes
from agents.toolsets.types import Toolset
from gateway.answers import EVENTS, PING
from gateway.events import event
from gateway.listeners import Listener
from mcp_protocol.messages import Message, encode, notification
from mcp_protocol.versions import SUBSCRIPTION

logger = logging.getLogger(__name__)

PING_SECONDS = 15.0

type Recheck = Callable[[], Awaitable[None]]
"""Raises an `AgentopiaError` where the client may not listen any more."""


class OpenStream:
    """One client's event stream. ``subscription`` is the id under which notifications are sent in the stateless era."""

    def __init__(self, send: Any, listener: Listener, recheck: Recheck, subscription: Any = None) -> None:
        self.listener = listener
        self.closing = b""
        """What is written when it ends by the gateway's doing."""
        self._send = send
        self._recheck = recheck
        self._subscription = subscription
        self._wrote = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """The head of the answer."""
        await self._send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await self.write(b": open\n\n")

    async def write(self, block: bytes) -> None:
        """A block as it is."""
        self._wrote = True
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def say(self, message: Message, event_id: bytes = b"") -> None:
        """A notification, under the subscription where there is one."""
        if self._subscription is not None:
            params = message.get("params") or {}
            message = {**message, "params": {**params, "_meta": {**(params.get("_meta") or {}), SUBSCRIPTION: self._subscription}}}
        await self.write(event(encode(message), event_id))

    def also(self, doing: Any) -> asyncio.Task[None]:
        """Do something for as long as the stream is open; where it fails the stream ends."""
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def run(self, receive: Any) -> None:
        """Return when it is over: the client left, or the gateway ends it."""
        _ = self.also(self._signs())
        gone = asyncio.create_task(_gone(receive))
        over = asyncio.create_task(self.listener.over.wait())
        try:
            await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await self._send({"type": "http.response.body", "body": self.closing, "more_body": False})
        finally:
            for task in (gone, over, *self._tasks):
                task.cancel()
            await asyncio.gather(gone, over, *self._tasks, return_exceptions=True)

    async def tell_changes(self, toolset: Toolset, methods: Callable[[Toolset, Toolset], Iterable[str] | None]) -> None:
        """Say what changes in the toolset; ``methods`` tells what is to be said of two of them, None where nothing is left to hear."""
        async for changed in changes(toolset.agent_id, toolset):
            said = methods(toolset, changed)
            if said is None:
                break
            for method in said:
                await self.say(notification(method))
            toolset = changed
            self.listener.changed.set()
        self.listener.end()

    async def _signs(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            try:
                await self._recheck()
            except Unavailable:
                pass
            except AgentopiaError:
                self.listener.end()
                return
            if not self._wrote:
                await self.write(PING)
            self._wrote = False

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("An event stream ended", exc_info=error)
            self.listener.end()


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
