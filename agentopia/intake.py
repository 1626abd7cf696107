"""``python -m agentopia.intake``: the process that listens to toolboxes, and its ASGI application."""

from __future__ import annotations

import asyncio
import gc
import os
import resource

import django
import uvicorn
import uvloop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")
django.setup(set_prefix=False)  # loads the apps, which the imports below need

from channels.db import database_sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402

from mcp_registry import heartbeats  # noqa: E402
from toolboxes.identity.control_plane import control_plane  # noqa: E402
from toolboxes.intake import endpoints  # noqa: E402
from toolboxes.intake.peer import PeerProtocol  # noqa: E402
from toolboxes.intake.router import Router  # noqa: E402
from toolboxes.release import endpoint as release  # noqa: E402

FRESHNESS_SECONDS = 3600.0
KEEP_ALIVE_SECONDS = 90
"""Longer than the pause between two heartbeats, so that a toolbox need not shake hands for each."""

application = Router({**endpoints.ROUTES, **release.ROUTES, **heartbeats.ROUTES})


async def serve() -> None:
    """Serve until a signal asks to end."""
    identity = await database_sync_to_async(control_plane)()
    config = uvicorn.Config(
        application,
        host=settings.INTAKE_HOST,
        port=settings.INTAKE_PORT,
        http=PeerProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
        backlog=4096,
        ssl_context_factory=lambda _config, _default: identity.server,
    )
    _allow_many_connections()
    gc.freeze()  # what is loaded by now stays; looking through it again and again would cost every heartbeat
    fresh = asyncio.create_task(_keep_fresh())
    try:
        await uvicorn.Server(config).serve()
    finally:
        fresh.cancel()


def _allow_many_connections() -> None:
    """As many as the system lets this process have: each toolbox keeps one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _keep_fresh() -> None:
    while True:
        await asyncio.sleep(FRESHNESS_SECONDS)
        await database_sync_to_async(control_plane)()


if __name__ == "__main__":
    uvloop.run(serve())
