"""Announcements: a word to every process that listens, over Redis's publish/subscribe, so that what they keep in memory is forgotten.

Who keeps something in memory by them trusts it only while `Following.is_heard`: an announcement that nobody could hear is not repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError

from agentopia.lib.beside import beside

logger = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""After so long without a word Redis is asked whether it is still there, and has as long to answer."""


def announce(channel: str, *words: str) -> None:
    """Say these, one message each, once the transaction is committed. By then who listens has been sent it."""
    transaction.on_commit(lambda: _say(channel, words))


def _say(channel: str, words: tuple[str, ...]) -> None:
    try:
        for word in words:
            _speaker().publish(channel, word)
    except (RedisError, OSError) as error:
        # Those who listen have lost Redis as well, and so trust nothing that they keep.
        logger.warning("Other processes were not told of a change: %s", error)


@cache
def _speaker() -> redis.Redis:
    return redis.Redis.from_url(settings.ENVIRONMENT.redis_url, socket_timeout=2, socket_connect_timeout=2)


class Following:
    """Listens to one channel. ``heard`` is called in the event loop with each word, ``forget`` whenever words may have been missed:
    ``is_heard`` says by then whether further ones come.
    """

    def __init__(self, channel: str, heard: Callable[[str], None], forget: Callable[[], None]) -> None:
        self.channel, self.heard, self.forget = channel, heard, forget
        self.is_heard = False
        """Whether announcements reach this process now."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen within this; a lost connection is made again by itself."""
        async with beside(self._listen()):
            yield

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (RedisError, OSError) as error:
                logger.warning("Changes are not heard of now (%s): %s", self.channel, error)
            finally:
                self.is_heard = False
                self.forget()
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        # Without a time limit of its own: silence is what is usual here.
        client = redis.asyncio.Redis.from_url(settings.ENVIRONMENT.redis_url, socket_timeout=None, socket_connect_timeout=2)
        async with client, client.pubsub() as hearing:
            await hearing.subscribe(self.channel)
            while True:
                message = await hearing.get_message(timeout=LOOK_SECONDS)
                if message is None:
                    await hearing.ping()
                    message = await hearing.get_message(timeout=LOOK_SECONDS)
                if message is None:
                    raise TimeoutError("Redis says nothing")
                if message["type"] == "subscribe":
                    self.is_heard = True
                    self.forget()  # what was kept before was kept without hearing
                elif message["type"] == "message":
                    self.heard(message["data"].decode())
