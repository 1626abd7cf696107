"""Event streams towards clients: what is written on them, and what is kept so that one that broke can be resumed (MCP 2025-11-25)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from starlette.types import Send

from dtma.mcp.connection import Exchange
from mcp_protocol.messages import Message, encode, is_response

KEEPALIVE_SECONDS = 15.0
RETRY_MS = 1000
"""How long a client shall wait before it comes back."""
MAX_KEPT = 256
MAX_KEPT_BYTES = 512 * 1024
STANDALONE = 0
"""The number of a session's GET stream; calls have numbers of their own."""


class EventWriter:
    """Writes one event stream."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def start(self) -> None:
        """The head of the answer."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def event(self, data: bytes, event_id: str | None = None) -> None:
        """One message, encoded."""
        head = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
        await self._write(head + b"event: message\ndata: " + data + b"\n\n")

    async def prime(self, event_id: str) -> None:
        """An event that says nothing, so that the client can resume a stream on which nothing came yet."""
        await self._write(f"id: {event_id}\nretry: {RETRY_MS}\ndata: \n\n".encode())

    async def comment(self, text: bytes) -> None:
        """What clients skip: it keeps the connection open."""
        await self._write(b": " + text + b"\n\n")

    async def end(self) -> None:
        """The stream is complete."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, text: bytes) -> None:
        await self._send({"type": "http.response.body", "body": text, "more_body": True})


class Kept:
    """The latest events of one session. An event's id is the number of its stream and its own, which grows through all streams."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, int, bytes]] = deque()
        self._size = 0
        self._number = 0

    def keep(self, stream: int, message: Message) -> tuple[str, bytes]:
        """The id of a new event, and the message encoded."""
        data = encode(message)
        self._number += 1
        self._events.append((stream, self._number, data))
        self._size += len(data)
        while len(self._events) > 1 and (len(self._events) > MAX_KEPT or self._size > MAX_KEPT_BYTES):
            self._size -= len(self._events.popleft()[2])
        return f"{stream}-{self._number}", data

    def latest(self, stream: int) -> str:
        """An id after which everything is new."""
        return f"{stream}-{self._number}"

    def after(self, stream: int, number: int) -> list[tuple[str, bytes]]:
        """What came on a stream after the event of that number."""
        return [(f"{of}-{own}", data) for of, own, data in self._events if of == stream and own > number]

    def drop(self, stream: int) -> None:
        """Nobody can want that stream any more."""
        self._events = deque(event for event in self._events if event[0] != stream)
        self._size = sum(len(event[2]) for event in self._events)


class CallStream:
    """The answer to one request of a session. It may outlive the connection that it began on, and go on with another one."""

    def __init__(
        self, number: int, kept: Kept, exchange: Exchange, first: Message | None, on_question: Callable[[Message, Exchange], None]
    ) -> None:
        self.number = number
        self.exchange = exchange
        self.complete = False
        self.timer: asyncio.TimerHandle | None = None
        """Ends it, unless its client comes back before."""
        self._kept = kept
        self._next = first
        self._on_question = on_question
        self._reader: asyncio.Task[object] | None = None

    @property
    def attached(self) -> bool:
        """Whether a client reads it now."""
        return self._reader is not None

    def taken_over(self) -> None:
        """A client came back: whoever read it before has been left and is sent away."""
        if self.timer is not None:
            self.timer.cancel()
        if self._reader is not None:
            self._reader.cancel()
        self._reader = asyncio.current_task()

    async def run(self, writer: EventWriter, after: int | None = None) -> None:
        """Write what comes until the response, before that what came after the event of that number."""
        me = self._reader = asyncio.current_task()
        try:
            for event_id, data in self._kept.after(self.number, after) if after is not None else ():
                await writer.event(data, event_id)
            while not self.complete:
                message = self._next or await within(KEEPALIVE_SECONDS, self.exchange)
                if message is None:
                    await writer.comment(b"ping")
                    continue
                # Between taking a message and keeping it nothing is awaited, so that none is lost when the client leaves.
                self._next = None
                event_id, data = self._kept.keep(self.number, message)
                self.complete = is_response(message)
                if not self.complete and "id" in message:
                    self._on_question(message, self.exchange)
                await writer.event(data, event_id)
            await writer.end()
        finally:
            if self._reader is me:
                self._reader = None


async def within(seconds: float, exchange: Exchange) -> Message | None:
    """The next message of an exchange; None if there was none for so long."""
    try:
        async with asyncio.timeout(seconds):
            return await exchange.next()
    except TimeoutError:
        return None
