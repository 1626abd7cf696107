"""Reaching a toolbox's DTMA: pooled in a long-lived event loop (the web process), one connection per use elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async

from agentopia.lib.errors import AgentopiaError, Unavailable
from dtma_client import DtmaClient, DtmaError, DtmaUnreachable, Endpoint
from toolboxes.identity.control_plane import control_plane, control_plane_if_fresh
from toolboxes.models import Toolbox
from toolboxes.selectors import certificate_of

_pools: dict[asyncio.AbstractEventLoop, dict[UUID, tuple[Hashable, DtmaClient]]] = {}


async def endpoint_of(toolbox: Toolbox) -> Endpoint:
    """Where and how the toolbox's DTMA is reached; raises `Unavailable` where no host is this toolbox now."""
    if toolbox.enrolled_at is None or not toolbox.url:
        raise Unavailable(f"No machine is enrolled as the toolbox “{toolbox.name}”.", code="toolbox_not_enrolled")
    identity = control_plane_if_fresh() or await database_sync_to_async(control_plane)()

    async def admit(serial: str) -> bool:
        certificate = await database_sync_to_async(certificate_of)(str(toolbox.pk), serial)
        return certificate is not None and certificate.is_valid()

    return Endpoint(url=toolbox.url, name=toolbox.identity, tls=identity.client, admit=admit)


@asynccontextmanager
async def pooled_connections() -> AsyncIterator[None]:
    """Within this, `dtma_of` keeps one client per toolbox in the running event loop."""
    loop = asyncio.get_running_loop()
    pool = _pools.setdefault(loop, {})
    try:
        yield
    finally:
        del _pools[loop]
        for _, client in pool.values():
            await client.aclose()


@asynccontextmanager
async def dtma_of(toolbox: Toolbox) -> AsyncIterator[DtmaClient]:
    """A client of the toolbox's DTMA; raises `Unavailable` where no host is this toolbox now."""
    pool = _pools.get(asyncio.get_running_loop())
    try:
        endpoint = await endpoint_of(toolbox)
    except Unavailable:
        if pool is not None and (left := pool.pop(toolbox.pk, None)) is not None:
            await left[1].aclose()  # what was revoked is not called over a connection of before either
        raise
    if pool is None:
        async with DtmaClient(endpoint) as client:
            yield client
        return
    # Connections of before do not outlive an enrolment: they may lead to whoever held the toolbox's key then.
    version = (endpoint, toolbox.enrolled_at)
    known = pool.get(toolbox.pk)
    if known is not None and known[0] != version:
        del pool[toolbox.pk]
        await known[1].aclose()
        known = pool.get(toolbox.pk)
    if known is None:
        pool[toolbox.pk] = known = (version, DtmaClient(endpoint))
    yield known[1]


def wait_for[**P, R](conversation: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """Hold a conversation from synchronous code, in the event loop that has the pool where this process has one."""
    for loop in _pools:
        # In a context of its own: with the request's, work on the database would wait for the request's thread, which waits here.
        return Context().run(asyncio.run_coroutine_threadsafe, conversation(*args, **kwargs), loop).result()
    return async_to_sync(conversation)(*args, **kwargs)


def as_agentopia_error(error: DtmaError, toolbox: Toolbox) -> AgentopiaError:
    """What a person is told when DTMA could not do something."""
    if isinstance(error, DtmaUnreachable):
        return Unavailable(f"The toolbox “{toolbox.name}” does not answer. Check that it is on and connected.", code="toolbox_unreachable")
    mapped = AgentopiaError(error.message, code=str(error.code))
    mapped.http_status, mapped.retryable = (503 if error.retryable else 502), error.retryable
    return mapped
