"""The HTTP server around the application."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn.config
import uvicorn.server

from dtma.app import application
from dtma.config import Config
from dtma.joining import JoiningProtocol
from dtma.lean import settle
from dtma.store import Home

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


async def serve(config: Config, home: Home) -> None:
    """Serve until a signal asks to end."""
    async with application(config, home) as app:
        server = Server(
            uvicorn.config.Config(
                app,
                host=config.host,
                port=config.port,
                http=JoiningProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                date_header=False,
                log_level="warning",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        settle()
        await server.serve()
