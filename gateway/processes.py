"""What the web processes tell each other of MCP sessions, through Redis: one word for what happened, and what it happened to."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from redis.exceptions import RedisError

from agentopia.lib.announcements import Following
from gateway.listeners import Listeners
from gateway.works import Works

logger = logging.getLogger(__name__)

CHANNEL = "agentopia:mcp"


class Processes:
    """``sessions`` is what forgets: it is set once it exists."""

    def __init__(self, store: redis.asyncio.Redis, works: Works, listeners: Listeners) -> None:
        self._redis = store
        self._works = works
        self._listeners = listeners
        self._me = secrets.token_hex(8)
        self._following = Following(CHANNEL, self._heard, self._forget)
        self.forget_session = _ignore

    def is_heard(self) -> bool:
        """Whether what others say reaches this process now."""
        return self._following.is_heard

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Listen within this."""
        async with self._following.listening():
            yield

    async def say(self, word: str, about: str) -> None:
        """Tell all processes, this one at once."""
        self._happened(word, about, mine=True)
        try:
            await self._redis.publish(CHANNEL, f"{self._me} {word} {about}")
        except (RedisError, OSError) as error:
            logger.warning("Other processes were not told that a session has %s: %s", word, error)

    def _heard(self, said: str) -> None:
        who, word, about = (*said.split(" ", 2), "", "")[:3]
        if who != self._me:
            self._happened(word, about, mine=False)

    def _happened(self, word: str, about: str, *, mine: bool) -> None:
        match word:
            case "ended":
                self.forget_session(about)
                self._works.end_session(about)
                self._listeners.end(about)
            case "changed":
                if not mine:
                    self.forget_session(about)
                self._listeners.look(about)
            case "listening":
                session_id, _, listener = about.partition(" ")
                self._listeners.replaced(session_id, listener)
            case "cancelled":
                self._works.cancel_named(about)
            case "resumed":
                self._works.resumed(about)
            case "left":
                self._works.left(about)

    def _forget(self) -> None:
        self.forget_session("")


def _ignore(session_id: str) -> None:
    """Nothing is kept yet."""
