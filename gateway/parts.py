"""What the gateway is made of, in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
from django.conf import settings

from agents.relay import Relay, relaying
from gateway.calling import Calling
from gateway.listeners import Listeners
from gateway.processes import Processes
from gateway.sessions import Sessions
from gateway.states import States
from gateway.upstream import Upstream
from gateway.works import Works


@dataclass(frozen=True, slots=True)
class Parts:
    """All of it."""

    store: redis.asyncio.Redis
    relay: Relay
    works: Works
    listeners: Listeners
    processes: Processes
    sessions: Sessions
    upstream: Upstream
    calling: Calling


@asynccontextmanager
async def assembled() -> AsyncIterator[Parts]:
    """The parts, for as long as the process serves."""
    # Without a limit to the wait for an answer: who goes on with a stream waits for its events.
    store = redis.asyncio.Redis.from_url(settings.ENVIRONMENT.redis_url, socket_timeout=30, socket_connect_timeout=2)
    async with store, relaying() as relay:
        works, listeners = Works(), Listeners()
        processes = Processes(store, works, listeners)
        sessions = Sessions(store, processes.say, processes.is_heard)
        processes.forget_session = sessions.forget
        upstream = Upstream(relay, sessions)
        calling = Calling(upstream, works, States(store))
        async with processes.following():
            try:
                yield Parts(store, relay, works, listeners, processes, sessions, upstream, calling)
            finally:
                listeners.end_all()
                await upstream.spares.aclose()
