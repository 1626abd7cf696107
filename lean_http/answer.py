"""The answer to one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from lean_http.errors import HttpError, TooLarge

MAX_BYTES = 96 * 1024 * 1024
BUFFERED_BYTES = 256 * 1024
"""More than this is not read ahead of who takes it."""
END_SECONDS = 2.0
"""So long after the last message of a stream its end is waited for."""


class Line(Protocol):
    """What an answer needs of its connection."""

    def abort(self) -> None:
        """Hang up."""

    def go_on_reading(self) -> None:
        """There is room again."""

    def told(self, error: HttpError) -> Exception:
        """What is raised for an error."""


class Answer:
    """Its head at once, its body as it comes. Names of headers are in lower case; what was sent several times is joined by commas.

    What reads it raises what ``Peer.told`` makes of an ``HttpError``.
    """

    def __init__(self, line: Line) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        """Whether all of it has come, taken or not."""
        self._line = line
        self._pieces: list[bytes] = []
        self._size = 0
        self._error: HttpError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ending: asyncio.TimerHandle | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of server-sent events."""
        return self.headers.get(b"content-type", b"")[:17].lower() == b"text/event-stream"

    async def begun(self) -> None:
        """Return when the head is here; raises ``HttpError`` itself."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def next(self) -> bytes:
        """What has come of the body since it was last asked; empty at the end."""
        while not self._pieces:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._line.told(self._error)
            await self._wait()
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if not self.complete:
            self._line.go_on_reading()
        return taken

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while piece := await self.next():
            yield piece

    async def read(self, limit: int = MAX_BYTES) -> bytes:
        """The whole body."""
        size, pieces = 0, []
        while piece := await self.next():
            size += len(piece)
            if size > limit:
                self.leave()
                raise self._line.told(TooLarge(f"more than {limit // 2**20} MB"))
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def leave(self) -> None:
        """Nobody wants the rest: the peer sees the connection end."""
        if not self.complete and self._ending is None:
            self._line.abort()

    def finish(self) -> None:
        """All that matters has come, and its end will in a moment: the connection is kept for the next request."""
        if not self.complete and self._ending is None and self._error is None:
            self._pieces.clear()
            self._size = 0
            self._line.go_on_reading()
            self._ending = asyncio.get_running_loop().call_later(END_SECONDS, self._line.abort)

    async def _wait(self) -> None:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    # --- told by the connection ---

    def add_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        name = name.lower()
        self.headers[name] = b"%s, %s" % (self.headers[name], value) if name in self.headers else value

    def take(self, piece: bytes) -> bool:
        """A piece of the body; whether more shall be read now."""
        if self._ending is not None:
            return True
        self._pieces.append(piece)
        self._size += len(piece)
        self.wake()
        return self._size <= BUFFERED_BYTES

    def end(self) -> None:
        """That was all of it."""
        self.complete = True
        self._wait_no_more()

    def fail(self, error: HttpError) -> None:
        """There is no more of it."""
        self._error = error
        self._wait_no_more()

    def _wait_no_more(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
