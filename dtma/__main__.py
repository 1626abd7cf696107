"""``python -m dtma --home DIR``: run the host agent until SIGTERM. Containers outlive it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
import uvloop

from dtma.app import application
from dtma.config import Config, ConfigError, load_config
from dtma.store import Home

GRACE_SECONDS = 1
"""Streams that are followed would never end by themselves."""


class Server(uvicorn.Server):
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
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                date_header=False,
                log_level="warning",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        await server.serve()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dtma", description="Run MCP servers as isolated containers on this host.")
    parser.add_argument("--home", type=Path, required=True, help="the directory that holds config.json and all state")
    home_path: Path = parser.parse_args().home
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = load_config(home_path)
        home = Home(home_path)
    except ConfigError as error:
        sys.exit(str(error))
    uvloop.run(serve(config, home))


if __name__ == "__main__":
    main()
