"""Hearing of changes: this process's subscription to what others tell of toolsets, kept up for as long as it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from django.db import Error

from agentopia.lib.announcements import Following
from agents.toolsets import cache, loading
from agents.toolsets.news import CHANNEL, versions_in

COMPARE_SECONDS = 5.0
END_SECONDS = 2.0


@asynccontextmanager
async def following() -> AsyncIterator[None]:
    """Within this the process hears of changes: entered once by each process that serves, for as long as it does.

    While Redis does not answer, everything that was kept counts as unknown and the database is asked.
    """
    trusted = False

    def look() -> None:
        nonlocal trusted
        if hearing.is_heard != trusted:
            trusted = hearing.is_heard
            cache.follow(trusted)

    hearing = Following(CHANNEL, lambda said: cache.hear(versions_in(said)), look)
    ended = asyncio.Event()
    async with hearing.listening():
        comparing = asyncio.create_task(_compare(ended))
        try:
            yield
        finally:
            ended.set()
            await asyncio.wait([comparing], timeout=END_SECONDS)
            comparing.cancel()


async def _compare(ended: asyncio.Event) -> None:
    """A change whose process was killed before it could tell is found within `COMPARE_SECONDS`."""
    while not ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), COMPARE_SECONDS)
        known = {} if ended.is_set() else cache.known_versions()
        if not known:
            continue
        with suppress(Error):  # what needs the database says so by itself
            versions = await cache.in_thread(loading.versions_of, known)
            cache.hear(versions)
            if gone := known.keys() - versions.keys():
                cache.forget(*gone)
