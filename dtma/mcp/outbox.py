"""What is written to one server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dtma.errors import EngineUnavailable
from mcp_protocol.messages import Message, encode

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 64 * 1024 * 1024
MAX_TOLD = 1000


class Full(Exception):
    """The server does not read what it is sent."""


class Outbox:
    """``write`` takes whole lines, and waits while the server does not read."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._unsent = 0
        self._told: set[asyncio.Task[None]] = set()
        self._closed = False

    async def request(self, line: bytes) -> None:
        """Write a line that somebody waits for an answer to; raises ``Full`` and ``EngineUnavailable``."""
        if self._unsent and self._unsent + len(line) > MAX_UNSENT_BYTES:
            raise Full
        self._unsent += len(line)
        try:
            await self._write(line)
        finally:
            self._unsent -= len(line)

    async def send(self, message: Message) -> None:
        """Write a message that nobody waits for; it is lost where the server is gone."""
        if self._closed:
            return
        try:
            await self._write(encode(message) + b"\n")
        except EngineUnavailable:
            logger.info("a message to a server was not sent: its stream is closed")

    def tell(self, message: Message) -> None:
        """Send without waiting: the reader must go on, or a server that waits for its output to be read would never read its input."""
        if len(self._told) < MAX_TOLD:
            task = asyncio.create_task(self.send(message))
            self._told.add(task)
            task.add_done_callback(self._told.discard)

    def close(self) -> None:
        """The server is gone."""
        self._closed = True
        for task in self._told:
            task.cancel()
