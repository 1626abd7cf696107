"""A run's events as they come: its rows first, then what its worker tells.

Who follows costs no thread while it waits, and reads rows only to catch up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.utils import timezone
from redis.exceptions import RedisError

from chat.live import LAYER, Told, run_group, told
from chat.models import Run, RunEvent

SILENCE_SECONDS = 15.0
"""After so long without news one looks at the rows too: a message may have been lost."""
PIECE = 500
LAST_WORDS = timedelta(seconds=10)
"""A run that ended so long ago without saying so will not."""
ENDED = "run.ended"

type Hear = Callable[[], Awaitable[dict[str, Any] | None]]


async def events_of(run_id: UUID, after: int) -> AsyncGenerator[list[Told]]:
    """The run's events after number ``after``, each once and in their order, in pieces; an empty piece now and then while there are none.

    It ends after ``run.ended``, and where the run is no more. Close it (`contextlib.aclosing`). Raises `RedisError` and `OSError` where
    the broker is away.
    """
    async with _hearing(run_group(run_id)) as hear:
        last = after
        while True:
            rows, over = await database_sync_to_async(rows_after, thread_sensitive=False)(run_id, last)
            if rows:
                yield rows
                last = rows[-1]["seq"]
                over = rows[-1]["kind"] == ENDED
            if over:
                return
            if len(rows) == PIECE:
                continue
            async for piece in _told(hear, last):
                yield piece
                if piece:
                    last = piece[-1]["seq"]
                    if piece[-1]["kind"] == ENDED:
                        return


async def _told(hear: Hear, last: int) -> AsyncGenerator[list[Told]]:
    """What is told after ``last``, until something is missing or nothing came for a while."""
    while True:
        message = await hear()
        if message is None:
            yield []
            return
        new: list[Told] = [event for event in message["events"] if event["seq"] > last]
        if not new:
            continue
        if new[0]["seq"] != last + 1 or new[-1]["seq"] != last + len(new):
            return
        last = new[-1]["seq"]
        yield new


@asynccontextmanager
async def _hearing(group: str) -> AsyncIterator[Hear]:
    """Within this, what is told a group: the next message, or None after a silence."""
    layer: Any = get_channel_layer(LAYER)
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    coming = asyncio.ensure_future(layer.receive(channel))

    async def hear() -> dict[str, Any] | None:
        nonlocal coming
        await asyncio.wait((coming,), timeout=SILENCE_SECONDS)
        if not coming.done():
            return None
        message: dict[str, Any] = coming.result()
        coming = asyncio.ensure_future(layer.receive(channel))
        return message

    try:
        yield hear
    finally:
        with suppress(RedisError, OSError):
            await layer.group_discard(group, channel)
        while coming.done() and not coming.exception():  # what has come before that
            coming = asyncio.ensure_future(layer.receive(channel))
            await asyncio.sleep(0)
        coming.cancel()  # by this the layer knows that nobody asks for the channel any more
        await asyncio.wait((coming,))


def rows_after(run_id: UUID, after: int) -> tuple[list[Told], bool]:
    """The next events that are written, and whether there will be no more if there are none."""
    run = Run.objects.filter(pk=run_id).values("status", "ended_at").first()
    rows = RunEvent.objects.filter(run=run_id, seq__gt=after).order_by("seq")[:PIECE]
    events = [told(row.seq, row.kind, row.data, row.created_at) for row in rows]
    over = run is None or (run["status"] in Run.ENDED and (run["ended_at"] or timezone.now()) < timezone.now() - LAST_WORDS)
    return events, over
