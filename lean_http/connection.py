"""One connection: an asyncio protocol around the parser that Node.js has (llhttp, by way of httptools)."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

import httptools

from lean_http.answer import Answer
from lean_http.errors import HttpError, HungUp, Malformed, TooLarge
from lean_http.peer import Peer

PIECE_BYTES = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024
"""Of everything that is not body: a head with all that was said before it, or what comes after a body."""
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3), (socket.TCP_USER_TIMEOUT, 30_000))
"""A machine that is gone says nothing: the system finds out within half a minute."""


class Pool(Protocol):
    """What a connection needs of its client."""

    peer: Peer

    def release(self, connection: Connection) -> None:
        """It is free again."""

    def forget(self, connection: Connection) -> None:
        """It is over."""


class Connection(asyncio.Protocol):
    """At most one request is under way on it."""

    def __init__(self, pool: Pool) -> None:
        self.idle_since = 0.0
        self.heard = False
        """Whether anything came since it was last asked."""
        self._pool = pool
        self._answer: Answer | None = None
        self._parser = httptools.HttpResponseParser(self)
        if pool.peer.lenient:
            self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._transport: asyncio.Transport | None = None
        self._ended_here = False
        self._bodiless = False
        self._overhead = 0
        self._paused = False
        self._sending: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """What it goes over; only once it is made."""
        assert self._transport is not None
        return self._transport

    @property
    def usable(self) -> bool:
        """Whether it is open, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, method: bytes, head: bytes, body: bytes) -> Answer:
        """Send a request; its answer once the head of that is here. Raises ``HttpError``; who is cancelled hangs up."""
        answer = self._answer = Answer(self)
        self._bodiless = method == b"HEAD"
        self._overhead = 0
        self.heard = False
        if len(body) <= PIECE_BYTES:
            self.transport.write(head + body)
        else:
            self._sending = asyncio.create_task(self._send_large(self.transport, head, body))
        try:
            await answer.begun()
        except asyncio.CancelledError:
            self.abort()
            raise
        return answer

    async def _send_large(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        """Piece by piece, so that encrypting it does not hold up the event loop."""
        transport.write(head)
        view = memoryview(body)
        for start in range(0, len(view), PIECE_BYTES):
            if transport.is_closing():
                return
            transport.write(view[start : start + PIECE_BYTES])
            if self._writable is not None:
                await self._writable
            else:
                await asyncio.sleep(0)

    def abort(self) -> None:
        """End it at once: TLS would say goodbye, and wait for an answer that nobody needs."""
        self._ended_here = True
        if self._transport is not None:
            self._transport.abort()

    def go_on_reading(self) -> None:
        """There is room again."""
        if self._paused and self.usable:
            self._paused = False
            self.transport.resume_reading()

    def told(self, error: HttpError) -> Exception:
        """What is raised for an error."""
        return self._pool.peer.told(error)

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open, and both sides have shown who they are."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        """Something of an answer."""
        if self._answer is None:  # nothing was asked
            self.abort()
            return
        self.heard = True
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Malformed(f"what came is not HTTP: {error}"))
            return
        if self._overhead > MAX_HEAD_BYTES and self._answer is not None:
            self._fail(TooLarge(f"a head of more than {MAX_HEAD_BYTES // 1024} KB"))

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._pool.forget(self)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if error is None and not self._ended_here and self._ends_with_connection():
            self._complete(kept=False)
            return
        hung_up = HungUp("the connection ended before the answer was complete")
        hung_up.__cause__ = error
        self._fail(hung_up)

    def pause_writing(self) -> None:
        """The other side does not read as fast as we write."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It does again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # --- httptools ---

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody asked for leaves no place to put the next one."""
        if self._answer is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer, which nobody needs."""
        if self._answer is not None and not self._answer.status:
            self._answer.add_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here, or what a server says before it answers (1xx)."""
        answer, status = self._answer, self._parser.get_status_code()
        if answer is None:
            return
        if status < 200:
            answer.headers.clear()
            return
        answer.status = status
        answer.wake()
        if self._bodiless:  # the parser does not know, and would wait for what its headers tell of
            self._complete(kept=False)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._overhead = 0
        if self._answer is not None and not self._answer.take(piece) and not self._paused and self.usable:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        """All of it is here, unless it was a 1xx."""
        if self._answer is not None and self._answer.status:
            self._complete(kept=self._parser.should_keep_alive() and (self._sending is None or self._sending.done()))

    def _complete(self, *, kept: bool) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        if kept:
            self.go_on_reading()
            self._pool.release(self)
        else:
            self.abort()
        answer.end()

    def _ends_with_connection(self) -> bool:
        """Whether nothing but the connection's end says where the body ends (RFC 9112, section 6.3)."""
        if self._answer is None or not self._answer.status:
            return False
        headers = self._answer.headers
        return b"content-length" not in headers and not headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked")

    def _fail(self, error: HttpError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(error)
        self.abort()
