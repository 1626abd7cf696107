"""Reaching a toolbox's DTMA: pooled in a long-lived event loop (the web process), one connection per use elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync

from agentopia.lib.errors import AgentopiaError, Unavailable
from dtma_client import DtmaClient, DtmaError, DtmaUnreachable, Endpoint
from toolboxes.models import Toolbox

_pools: dict[asyncio.AbstractEventLoop, dict[tuple[UUID, Endpoint], DtmaClient]] = {}


def endpoint_of(toolbox: Toolbox) -> Endpoint:
    """Where and how the toolbox's DTMA is reached."""
    return Endpoint(url=toolbox.url, token=toolbox.access_token)


@asynccontextmanager
async def pooled_connections() -> AsyncIterator[None]:
    """Within this, `dtma_of` keeps one client per toolbox in the running event loop."""
    loop = asyncio.get_running_loop()
    pool = _pools.setdefault(loop, {})
    try:
        yield
    finally:
        del _pools[loop]
        for client in pool.values():
            await client.aclose()


@asynccontextmanager
async def dtma_of(toolbox: Toolbox) -> AsyncIterator[DtmaClient]:
    """A client of the toolbox's DTMA."""
    endpoint = endpoint_of(toolbox)
    pool = _pools.get(asyncio.get_running_loop())
    if pool is None:
        async with DtmaClient(endpoint) as client:
            yield client
        return
    key = (toolbox.pk, endpoint)
    if key not in pool:
        pool[key] = DtmaClient(endpoint)
    yield pool[key]


def wait_for[**P, R](conversation: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """Hold a conversation from synchronous code, in the event loop that has the pool where this process has one.

    What it does there must not use the database: a thread of its own holds the connection.
    """
    for loop in _pools:
        return asyncio.run_coroutine_threadsafe(conversation(*args, **kwargs), loop).result()
    return async_to_sync(conversation)(*args, **kwargs)


def as_agentopia_error(error: DtmaError, toolbox: Toolbox) -> AgentopiaError:
    """What a person is told when DTMA could not do something."""
    if isinstance(error, DtmaUnreachable):
        return Unavailable(f"The toolbox “{toolbox.name}” does not answer. Check that it is on and connected.", code="toolbox_unreachable")
    mapped = AgentopiaError(error.message, code=str(error.code))
    mapped.http_status, mapped.retryable = (503 if error.retryable else 502), error.retryable
    return mapped
