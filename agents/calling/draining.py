"""From the stream of receipts into PostgreSQL: by every process that serves, and by a task where none does.

What is read stays in the stream until it is in PostgreSQL. What a process has read and left, since it died, is taken over by another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from agents.calling.redis import AWAY, client
from agents.calling.rows import store
from agents.calling.stream import ENDED, stream_name

logger = logging.getLogger(__name__)

GROUP = "postgresql"
AT_ONCE = 256
"""Entries; each may hold the receipts of many calls."""
GATHER_SECONDS = 0.5
"""Between two readings, so that more comes together than one call's. Nobody waits for the first to come: it would be read while its call is
made, which that takes longer for.
"""
LEFT_MS = 15_000
"""Who has kept what it read for so long has died."""
LOOK_SECONDS = 5.0
PAUSE_SECONDS = 1.0
FORGOTTEN_MS = 3_600_000
NEW, MINE = ">", "0"

type Entry = tuple[bytes, dict[bytes, bytes] | None]

_thread = ThreadPoolExecutor(1, "receipts")


class Drain:
    """One process's part in draining."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._stream = redis, stream_name()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    async def join(self) -> None:
        """Be one of those who drain."""
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def leave(self) -> None:
        """Be none any more; for one that has stored all that it read."""
        await self._redis.xgroup_delconsumer(self._stream, GROUP, self.name)

    async def drain(self, which: str) -> int:
        """Store what is `NEW`, or what was read before and not stored (`MINE`); returns how many entries that were."""
        found: Any = await self._redis.xreadgroup(GROUP, self.name, {self._stream: which}, count=AT_ONCE)
        entries: list[Entry] = [entry for _, entries in found or [] for entry in entries]
        return await self._store(entries)

    async def drain_left(self) -> int:
        """The same with what others have read and left."""
        taken: Any = await self._redis.xautoclaim(self._stream, GROUP, self.name, LEFT_MS, count=AT_ONCE)
        return await self._store(taken[1])

    async def forget_the_dead(self) -> None:
        """Those who are gone, and have left nothing."""
        for consumer in await self._redis.xinfo_consumers(self._stream, GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > FORGOTTEN_MS:
                await self._redis.xgroup_delconsumer(self._stream, GROUP, consumer["name"])

    async def _store(self, entries: list[Entry]) -> int:
        if not entries:
            return 0
        began: dict[bytes, bytes] = {}
        ended: dict[bytes, bytes] = {}
        for _, fields in entries:
            for name, receipt in (fields or {}).items():
                (ended if name[:1] == ENDED else began)[name[1:]] = receipt
        begun = [receipt for call, receipt in began.items() if call not in ended]
        await asyncio.wrap_future(_thread.submit(_stored, begun, list(ended.values())))
        ids = [entry_id for entry_id, _ in entries]
        pipe = self._redis.pipeline(transaction=True)
        pipe.execute_command("XACK", self._stream, GROUP, *ids)
        pipe.execute_command("XDEL", self._stream, *ids)
        await pipe.execute()
        return len(entries)


def _stored(begun: list[bytes], ended: list[bytes]) -> None:
    close_old_connections()
    try:
        store(begun, ended)
    finally:
        close_old_connections()


async def drain_for_ever() -> None:
    """Drain until cancelled, whatever becomes of Redis and PostgreSQL meanwhile."""
    async with client() as redis:
        drain = Drain(redis)
        while True:
            try:
                await _drain_on(drain)
            except AWAY as error:
                logger.warning("The stream of receipts is not drained now: %s", error)
            except (OperationalError, InterfaceError) as error:
                logger.warning("Receipts wait in the stream, PostgreSQL does not take them: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)


async def _drain_on(drain: Drain) -> None:
    await drain.join()
    while await drain.drain(MINE):
        pass
    look_at = 0.0
    while True:
        if time.monotonic() >= look_at:
            await _take_over(drain)
            look_at = time.monotonic() + LOOK_SECONDS
        if await drain.drain(NEW) < AT_ONCE:
            await asyncio.sleep(GATHER_SECONDS)


async def _take_over(drain: Drain) -> None:
    while await drain.drain_left():
        pass
    await drain.forget_the_dead()


async def drain_once() -> None:
    """Drain what is there. Where Redis or PostgreSQL does not answer, it stays there."""
    async with client() as redis:
        drain = Drain(redis)
        try:
            await drain.join()
            while await drain.drain(NEW):
                pass
            await _take_over(drain)
            await drain.leave()
        except AWAY as error:
            logger.warning("The stream of receipts is not drained now: %s", error)
        except (OperationalError, InterfaceError) as error:
            logger.warning("Receipts wait in the stream, PostgreSQL does not take them: %s", error)
