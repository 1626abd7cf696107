"""The live connection to a running container."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp

from dtma.engine.attach import Attach
from dtma.mcp.bridge import Bridge, Message
from dtma.mcp.endpoint import StdioEndpoint
from dtma.mcp.sessions import Sessions
from dtma.tasks import cancelled


class Link:
    """A container whose stream is read, whose output is logged, and whose messages are carried; ``bridge`` is None for HTTP servers."""

    def __init__(self, container: str, attach: Attach, bridge: Bridge | None, sessions: Sessions, reading: asyncio.Task[None]) -> None:
        self.container = container
        self.started_at = datetime.now(UTC)
        self.image = ""
        self.initialize_result: Message = {}
        self.tools: tuple[Message, ...] = ()
        self.endpoint: ASGIApp | None = None
        self.tools_changed = asyncio.Event()
        self.bridge = bridge
        self._attach = attach
        self._sessions = sessions
        self._reading = reading

    def open_stdio_endpoint(self, bridge: Bridge) -> None:
        """Take clients, now that the server has answered."""
        self.endpoint = StdioEndpoint(bridge, self.initialize_result, self._sessions)

    def broadcast(self, message: Message) -> None:
        """A notification that belongs to no call."""
        if message["method"] == "notifications/tools/list_changed":
            self.tools_changed.set()
        self._sessions.broadcast(message)

    async def ended(self) -> None:
        """Return when the stream ends: the container has, or the engine is gone."""
        await asyncio.wait({self._reading})

    async def unless_ended[Result](self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of the work; None if the stream ended first."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, self._reading}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    async def close(self, reason: str) -> None:
        """Let go of the container, which runs on; open calls fail with the reason."""
        if self.bridge is not None:
            self.bridge.close(reason)
        self._sessions.end_all()
        await self._attach.close()
        await cancelled(self._reading)
