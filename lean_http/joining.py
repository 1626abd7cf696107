"""Answers in one write: uvicorn writes an answer's head and its body apart, each of them a record of TLS, a system call and a wake-up of
whoever waits for it.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HOLD_SECONDS = 0.05
"""How long a head waits for what comes after it. A server in a container says often what it begins, and a moment later the rest."""
LARGE_BYTES = 32 * 1024
"""What is larger is not copied to stand behind its head: it takes several records of TLS anyway."""
_HEAD = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100 "


class JoiningTransport:
    """A transport that holds a head back until the next write, if only of nothing, or until that takes too long."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Write; what only looks like a head is merely a moment late."""
        if self._held and len(data) > LARGE_BYTES:
            self._transport.writelines((self._taken(), data))
            return
        if self._held:
            data = self._taken() + data
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._held, self._due = data, self._loop.time() + HOLD_SECONDS
            if self._timer is None:  # one for many answers: nearly none is late
                self._timer = self._loop.call_later(HOLD_SECONDS, self._look)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Write what is held back, and hang up."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what is held back."""
        if self._held and not self._transport.is_closing():
            self._transport.write(self._taken())

    def _look(self) -> None:
        self._timer = None
        if not self._held:
            return
        left = self._due - self._loop.time()
        if left > 0.001:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self.flush()

    def _taken(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's, over such a transport. WebSockets are on the connection itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came."""
        self._plain, self._joining = transport, JoiningTransport(transport)
        super().connection_made(cast(asyncio.Transport, self._joining))

    def handle_websocket_upgrade(self) -> None:
        """The connection becomes a WebSocket's."""
        self._joining.flush()
        self.transport = self._plain
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """An answer is over; some, as those to HEAD, have nothing behind their head."""
        self._joining.flush()
        super().on_response_complete()
