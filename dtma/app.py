"""The ASGI application, and the life of everything behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from dtma.builds import Builder, Collector, Ledger, Limits
from dtma.config import Config
from dtma.control_plane import ControlPlane
from dtma.engine import Engine
from dtma.errors import Refusal
from dtma.identity import Identity
from dtma.identity.renewal import Renewal
from dtma.isolation.guard import Guard
from dtma.lean import stay_small
from dtma.observing.board import Board
from dtma.observing.heartbeat import Heart, Surroundings
from dtma.observing.stats import Sampler
from dtma.routes import Routes, refused
from dtma.servers.fleet import Fleet
from dtma.servers.wanted import WantedChanges
from dtma.services import Services
from dtma.store import Home
from dtma.tasks import background
from dtma_wire import ErrorBody, ErrorCode


class Dtma:
    """Everything that runs in this process. It must be made inside the event loop that it will live in."""

    def __init__(self, config: Config, home: Home, identity: Identity) -> None:
        engine = Engine(config.engine_url)
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, trust_env=False)
        ledger = Ledger(home.root)
        limits = Limits(config.image_days, config.disk_percent, config.build_cache_mb, config.collect_seconds)
        self.collector = Collector(engine, ledger, home.server_ids, limits)
        builder = Builder(
            engine,
            home.root,
            ledger,
            self.collector.make_room,
            dotnet_runtime_image=config.dotnet_runtime_image,
            nuget_feed=config.nuget_feed,
        )
        guard = Guard(config.toolbox, config.resolver)
        self.services = Services(config, home, engine, builder, http, Sampler(config.stats_seconds), guard, identity)
        self.board = Board(home.epoch)
        self.fleet = Fleet(self.services, self.board)
        self._wanted = WantedChanges(self.fleet)
        self._control = None if config.control_url is None else ControlPlane(config.control_url, identity)
        self._background: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Bring back what is desired, and begin to report."""
        self.fleet.resume()
        if self._control is not None:
            renewal = Renewal(self.services.identity, self._control)
            surroundings = Surroundings(lambda: self.fleet.orphans.current, self._wanted.take, renewal.refused)
            heart = Heart(self.services, self.board, self._control, surroundings)
            self._background.append(background(heart.beat(), "sending heartbeats"))
            self._background.append(background(renewal.keep(), "renewing the certificate"))
        self._background.append(background(self.services.sampler.run(), "sampling what servers use"))
        self._background.append(background(self.services.guard.keep(), "renewing the firewall's rules"))
        self._background.append(background(self.collector.collect_now_and_then(), "collecting images"))
        self._background.append(background(stay_small(), "giving memory back"))
        if self.services.config.prepare_bases:
            self._background.append(background(self.services.builder.prepare(), "preparing base images"))

    async def stop(self) -> None:
        """Let go of everything; containers run on."""
        for task in self._background:
            task.cancel()
        await asyncio.wait(self._background)
        await self._wanted.close()
        await self.fleet.let_go()
        await self.services.guard.close()
        if self._control is not None:
            await self._control.close()
        await self.services.http.close()
        await self.services.engine.close()
        self.services.home.close()


@asynccontextmanager
async def application(config: Config, home: Home, identity: Identity) -> AsyncIterator[ASGIApp]:
    """The application, its servers being driven for as long as the block lasts."""
    dtma = Dtma(config, home, identity)
    routes = Routes(dtma.services, dtma.fleet, dtma.board)
    dtma.start()
    try:
        yield Front(routes.mcp, Router(routes.table()))
    finally:
        await dtma.stop()


_MCP = re.compile("/v1/servers/(?P<server_id>[^/]+)/mcp")


class Front:
    """Turns refusals into answers. Tool calls do not pass the router, nor any other layer of Starlette: they would pay for each."""

    def __init__(self, mcp: ASGIApp, router: Router) -> None:
        self._mcp = mcp
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if (called := _MCP.fullmatch(scope["path"])) is not None:
                scope["path_params"] = called.groupdict()
                await self._mcp(scope, receive, send)
                return
            scope["app"] = self  # with it, the router raises what it has no route for
            await self._router(scope, receive, send)
        except Refusal as refusal:
            await refused(Request(scope), refusal)(scope, receive, send)
        except HTTPException as error:
            await _http_error(Request(scope), error)(scope, receive, send)


def _http_error(request: Request, error: HTTPException) -> Response:
    """Unknown routes and methods, as an ``ErrorBody`` like everything else."""
    body = ErrorBody(code=ErrorCode.INVALID, message=f"{request.method} {request.url.path}: {error.detail}.")
    return Response(body.model_dump_json(), error.status_code, error.headers, "application/json")
