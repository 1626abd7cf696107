"""The ASGI application, and the life of everything behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from dtma.auth import Authenticate
from dtma.builds import Builder
from dtma.config import Config
from dtma.engine import Engine
from dtma.errors import Refusal
from dtma.observing.board import Board
from dtma.observing.heartbeat import Heart
from dtma.routes import Routes, refused
from dtma.servers.fleet import Fleet
from dtma.services import Services
from dtma.store import Home
from dtma.tasks import background
from dtma_wire import ErrorBody, ErrorCode


class Dtma:
    """Everything that runs in this process. It must be made inside the event loop that it will live in."""

    def __init__(self, config: Config, home: Home) -> None:
        engine = Engine(config.engine_url)
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, trust_env=False)
        self.services = Services(config, home, engine, Builder(engine, home.root), http)
        self.board = Board(home.epoch)
        self.fleet = Fleet(self.services, self.board)
        self._background: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Bring back what is desired, and begin to report."""
        self.fleet.resume()
        self._background.append(background(Heart(self.services, self.board).beat(), "sending heartbeats"))
        if self.services.config.prepare_bases:
            self._background.append(background(self.services.builder.prepare(), "preparing base images"))

    async def stop(self) -> None:
        """Let go of everything; containers run on."""
        for task in self._background:
            task.cancel()
        await asyncio.wait(self._background)
        await self.fleet.let_go()
        await self.services.http.close()
        await self.services.engine.close()
        self.services.home.close()


@asynccontextmanager
async def application(config: Config, home: Home) -> AsyncIterator[Starlette]:
    """The application, its servers being driven for as long as the block lasts."""
    dtma = Dtma(config, home)
    routes = Routes(dtma.services, dtma.fleet, dtma.board)
    app = Starlette(
        routes=routes.table(),
        middleware=[Middleware(Authenticate, token_sha256=config.access_token_sha256)],
        exception_handlers={Refusal: refused, HTTPException: _http_error},
    )
    dtma.start()
    try:
        yield app
    finally:
        await dtma.stop()


def _http_error(request: Request, error: Exception) -> Response:
    """Unknown routes and methods, as an ``ErrorBody`` like everything else."""
    assert isinstance(error, HTTPException)
    body = ErrorBody(code=ErrorCode.INVALID, message=f"{request.method} {request.url.path}: {error.detail}.")
    return Response(body.model_dump_json(), error.status_code, error.headers, "application/json")
