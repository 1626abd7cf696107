"""Event streams of the handshake era that outlive the connection on which they began (MCP 2025-11-25, resumability).

While its client is there a stream's latest events are kept in memory. Once the client has left they go to Redis, with all that follow, and
any web process can go on with them. A client that does not come back in time has left its call.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

import redis.asyncio
from redis.exceptions import RedisError

from gateway.events import event

RESUME_SECONDS = 5.0
"""A client whose stream broke may come back for so long; then its call is cancelled."""
FOUND_SECONDS = 2.0
"""A client may be back before it was noticed that it had gone."""
KEPT_SECONDS = 60
MOST_EVENTS = 256
MOST_BYTES = 512 * 1024
RETRY_MS = 1000
PING_SECONDS = 15.0

type Say = Callable[[str, str], Awaitable[None]]


class Stream:
    """The events of one call. ``give_up`` is called when its client did not come back."""

    def __init__(self, session_id: str, store: redis.asyncio.Redis, give_up: Callable[[], None]) -> None:
        self.id = secrets.token_hex(8)
        self.session_id = session_id
        self.detached = False
        self.ended = False
        self.size = 0
        self._redis = store
        self._give_up = give_up
        self._kept: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._begun_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """By which processes speak of it."""
        return f"{self.session_id}:{self.id}"

    @property
    def is_old(self) -> bool:
        """Whether nobody would come back for it any more."""
        return time.monotonic() - self._begun_at > 12 * RESUME_SECONDS

    def prime(self) -> bytes:
        """An event that says nothing, so that the client can resume a stream on which nothing came yet."""
        return f"id: {self.id}-0\nretry: {RETRY_MS}\ndata: \n\n".encode()

    async def keep(self, data: bytes) -> bytes:
        """A message as an event with an id, kept for whoever comes back."""
        self._number += 1
        self._kept.append((self._number, data))
        self.size += len(data)
        while len(self._kept) > 1 and (len(self._kept) > MOST_EVENTS or self.size > MOST_BYTES):
            self.size -= len(self._kept.popleft()[1])
        if self.detached:
            await self._store([(self._number, data)])
        return event(data, f"{self.id}-{self._number}".encode())

    async def detach(self) -> None:
        """The client has gone. From now on everything is in Redis."""
        if not self.ended:
            self.left()
        await self.hand_over()

    async def hand_over(self) -> None:
        """Somebody reads it in Redis, or will: put there what there is. It may be over, its client having gone without a word."""
        if not self.detached:
            self.detached = True
            await self._store(list(self._kept), ended=self.ended)

    def left(self) -> None:
        """Nobody reads it now."""
        self.resumed()
        self._timer = asyncio.get_running_loop().call_later(RESUME_SECONDS, self._give_up)

    def resumed(self) -> None:
        """The client is back, wherever."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def end(self) -> None:
        """There will be no more events."""
        self.resumed()
        self.ended = True
        if self.detached:
            await self._store([], ended=True)

    async def _store(self, events: list[tuple[int, bytes]], *, ended: bool = False) -> None:
        key = key_of(self.session_id, self.id)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for number, data in events:
                    _ = pipe.xadd(key, {"n": number, "data": data}, maxlen=MOST_EVENTS, approximate=False)
                if ended or not events:  # so that there is something to find
                    _ = pipe.xadd(key, {"end": 1} if ended else {"n": 0, "data": b""}, maxlen=MOST_EVENTS + 2, approximate=False)
                _ = pipe.expire(key, KEPT_SECONDS)
                await pipe.execute()
        except (RedisError, OSError):
            self._give_up()  # what nobody can fetch needs not be made


def named_in(last_event_id: bytes) -> tuple[str, int] | None:
    """The stream of a call and the number of an event, out of an id that was given here; None for any other."""
    stream, _, number = last_event_id.decode("latin-1").partition("-")
    if len(stream) != 16 or not number.isdigit() or set(stream) - set("0123456789abcdef"):
        return None
    return stream, int(number)


async def replay(store: redis.asyncio.Redis, session_id: str, stream: str, after: int, write: Callable[[bytes], Awaitable[None]]) -> bool:
    """Write what came after that event, until the end; False where nothing is known of it, and nothing was written."""
    key = key_of(session_id, stream)
    end = time.monotonic() + FOUND_SECONDS
    while not await store.exists(key):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    await write(b"")
    last: Any = "0"
    while True:
        found = await cast(Awaitable[Any], store.xread({key: last}, count=64, block=int(PING_SECONDS * 1000)))
        if not found and not await store.exists(key):
            return True
        if not found:
            await write(b": ping\n\n")
        for number, fields in _entries(found):
            last = number
            if b"end" in fields:
                return True
            if int(fields[b"n"]) > after:
                await write(event(fields[b"data"], f"{stream}-{int(fields[b'n'])}".encode()))


def _entries(found: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Of what XREAD gave: a mapping, or a list of pairs, by the protocol that Redis was spoken to in."""
    streams = found.values() if isinstance(found, dict) else [entries for _, entries in found or ()]
    entries: list[Any] = next(iter(streams), [])
    nested = bool(entries) and not isinstance(entries[0][0], bytes)
    return entries[0] if nested else entries


def key_of(session_id: str, stream: str) -> str:
    return f"agentopia:mcp:stream:{session_id}:{stream}"
