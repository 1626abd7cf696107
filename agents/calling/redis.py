"""This app's connections to Redis: for each event loop its own, kept for as long as the loop's process serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

AWAY = (RedisError, OSError)
"""What is raised where Redis does not answer, or cannot take what it is given."""
ANSWER_SECONDS = 2.0

_kept: dict[asyncio.AbstractEventLoop, Redis] = {}


def client() -> Redis:
    """A new one; whoever makes it closes it."""
    limits: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    # One more try is for a connection of before Redis was started anew.
    return Redis.from_url(settings.ENVIRONMENT.redis_url, retry=Retry(NoBackoff(), 1), **limits)


@asynccontextmanager
async def keeping_connections() -> AsyncIterator[Redis]:
    """Within this, `connected` uses one client for all that happens in this event loop."""
    loop = asyncio.get_running_loop()
    async with client() as redis:
        _kept[loop] = redis
        try:
            yield redis
        finally:
            del _kept[loop]


@asynccontextmanager
async def connected() -> AsyncIterator[Redis]:
    """The loop's client; one of its own where none is kept, as in a worker's short-lived loops."""
    kept = _kept.get(asyncio.get_running_loop())
    if kept is not None:
        yield kept
        return
    async with client() as redis:
        yield redis
