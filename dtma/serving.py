"""The HTTP server around the application."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn.config
import uvicorn.server

from dtma.app import application
from dtma.config import Config
from dtma.identity import Identity
from dtma.lean import settle
from dtma.store import Home
from lean_http.joining import JoiningProtocol

GRACE_SECONDS = 1
"""Streams that are followed would never end by themselves."""


class Server(uvicorn.server.Server):
    """Ends at a signal without raising it again: what comes after serving must still be done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for the end at SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End. TLS says goodbye and waits for the answer, which nobody at the other end may have time for."""
        asyncio.get_running_loop().call_later(GRACE_SECONDS / 2, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport.is_closing():
                connection.transport.abort()


async def serve(config: Config, home: Home, identity: Identity) -> None:
    """Serve until a signal asks to end."""
    async with application(config, home, identity) as app:
        server = Server(
            uvicorn.config.Config(
                app,
                host=config.host,
                port=config.port,
                ssl_context_factory=lambda _config, _default: identity.server,
                http=JoiningProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                date_header=False,
                log_config=None,
                log_level="warning",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        settle()
        await server.serve()
