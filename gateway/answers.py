"""What a client gets for one POST: one JSON message, or a stream of events that ends with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.events import event
from gateway.resuming import Stream

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
PING = b": ping\n\n"


class Answer:
    """The answer to one request. ``resumable`` makes what keeps the events, for a client that can come back for them."""

    def __init__(self, send: Any, *, primed: bool = False) -> None:
        self.resumable: Callable[[], Stream] | None = None
        self.stream: Stream | None = None
        self.streaming = False
        self.ended = False
        self._send = send
        self._primed = primed
        self._streams = False
        self._is_late = False

    async def begin_if_late(self) -> None:
        """Answer with a stream, unless the whole answer is there in a moment: then it needs none, nor anybody who keeps one."""
        self._streams = True
        if self._is_late:
            await self.begin()

    async def late(self) -> None:
        """The moment is over."""
        self._is_late = True
        if self._streams:
            await self.begin()

    async def json(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """One message. Where events were sent already it is the last of them."""
        if self.streaming:
            await self.last(body)
            return
        self.ended = True
        length = (b"content-length", b"%d" % len(body))
        await self._send({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def empty(self, status: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """An answer without a body."""
        self.ended = True
        await self._send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def begin(self) -> None:
        """Answer with a stream, if that has not begun yet."""
        if self.streaming or self.ended:
            return
        self.streaming = True
        if self.resumable is not None:
            self.stream = self.resumable()
        await self._send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await self.raw(self.stream.prime() if self.stream is not None and self._primed else b"")

    async def event(self, data: bytes) -> None:
        """One message of several."""
        await self.begin()
        await self.raw(await self._event(data))

    async def last(self, data: bytes) -> None:
        """The message with which the stream ends."""
        await self.begin()
        written = await self._event(data)
        await self._end(written)

    async def raw(self, block: bytes) -> None:
        """A block as it is."""
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def ping(self) -> None:
        """Keep a stream open."""
        if self.streaming:
            await self.raw(PING)

    async def end(self) -> None:
        """There is nothing more to say."""
        if not self.ended:
            await (self._end(b"") if self.streaming else self.empty(202))

    async def _event(self, data: bytes) -> bytes:
        return event(data) if self.stream is None else await self.stream.keep(data)

    async def _end(self, written: bytes) -> None:
        self.ended = True
        if self.stream is not None:
            await self.stream.end()
        await self._send({"type": "http.response.body", "body": written, "more_body": False})
