"""The event stream of a session that belongs to no request (MCP 2025-11-25, listening for messages from the server).

Some servers put the questions of a call on it, so a session that answers them listens; most say nothing there, or do not offer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from dtma_client.exceptions import DtmaError
from dtma_client.mcp_messages import Message, events
from dtma_client.transport import Transport

OPEN_SECONDS = 2.0
"""So long a request waits for the stream to be open: what the server says at once would be lost else."""
AGAIN_SECONDS = (0.2, 1.0, 5.0, 15.0)
"""The pauses before a stream that broke off is opened anew."""


class Standalone:
    """Listens from `begin` to `end`; ``hear`` takes each message."""

    def __init__(self, transport: Transport, path: str, hear: Callable[[Message], Awaitable[None]]) -> None:
        self._transport, self._path, self._hear = transport, path, hear
        self._listening: asyncio.Task[None] | None = None

    async def begin(self, headers: dict[str, str]) -> None:
        """Listen in the session of these headers; returns once the stream is open, or is known not to be offered."""
        await self.end()
        opened = asyncio.Event()
        headers = {name: value for name, value in headers.items() if name != "Content-Type"} | {"Accept": "text/event-stream"}
        self._listening = asyncio.create_task(self._listen(headers, opened))
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_SECONDS):
                await opened.wait()

    async def end(self) -> None:
        """Hang up."""
        task, self._listening = self._listening, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self, headers: dict[str, str], opened: asyncio.Event) -> None:
        failures = 0
        while failures < len(AGAIN_SECONDS):
            try:
                async with self._transport.open("GET", self._path, headers=headers, seconds=None) as response:
                    opened.set()
                    if response.status != 200 or response.content_type != "text/event-stream":
                        return
                    async for message in events(response.content):
                        failures = 0
                        await self._hear(message)
            except DtmaError:
                opened.set()
            await asyncio.sleep(AGAIN_SECONDS[failures])
            failures += 1
