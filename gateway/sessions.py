"""MCP sessions of clients of the handshake era. They live in Redis, so that every web process finds them.

A process keeps those that it has read for as long as it hears what others do with them. What a session is, never changes; what is added
to it (the servers' own sessions, a log level, watched resources) is announced, and read again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import redis.asyncio
from redis.exceptions import RedisError

from agentopia.lib.errors import Unavailable
from gateway.auth import Visitor
from mcp_protocol.messages import Message

IDLE_SECONDS = 30 * 60
MOST_OF_A_USER = 1000
TOUCH_SECONDS = 60.0
KEPT = 10_000
LONGEST_ID = 64

_ADD = """
redis.call('HSET', KEYS[1], 'about', ARGV[1])
if ARGV[6] then redis.call('HSET', KEYS[1], ARGV[6], ARGV[7]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, ARGV[3] - ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[5]
if over <= 0 then return {} end
local oldest = redis.call('ZRANGE', KEYS[2], 0, over - 1)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
return oldest
"""
_SWAP = """
if redis.call('EXISTS', KEYS[1]) == 0 then return '' end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and known ~= ARGV[2] then return known end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
"""


@dataclass(frozen=True, slots=True)
class Leg:
    """A session of this session's at one server: ``session_id`` (empty where the server has none) and what was agreed there."""

    session_id: str
    version: str
    capabilities: tuple[str, ...]

    def dump(self) -> str:
        return json.dumps([self.session_id, self.version, self.capabilities])

    @classmethod
    def load(cls, text: str) -> Leg:
        session_id, version, capabilities = json.loads(text)
        return cls(session_id, version, tuple(capabilities))


@dataclass(slots=True, eq=False)
class Session:
    """One client's session with an agent, or with one server of it (``server``; empty: with all)."""

    id: str
    user_id: int
    agent_id: UUID
    token_id: int | None
    token_name: str
    server: str
    version: str
    info: Message
    capabilities: Message
    run: UUID
    greets: bool
    """Whether it is we who shake hands with its servers: those of its sessions there were begun without it."""
    legs: dict[UUID, Leg] = field(default_factory=dict)
    level: str = ""
    watched: dict[str, UUID] = field(default_factory=dict)
    """The resources that the client watches, and the servers that have them."""
    greeting: asyncio.Task[None] | None = None
    """The end of the handshake on its way to the server, in this process: what comes after it waits for it."""
    spare_params: Message | None = None
    """What another session at the server is to be begun with, once the first request is answered (`gateway.spares`)."""
    read_at: float = 0.0
    touched_at: float = 0.0

    def belongs_to(self, visitor: Visitor, server: str) -> bool:
        """Whether this visitor may use it at this address."""
        mine = (self.user_id, self.agent_id, self.token_id, self.token_name, self.server)
        return mine == (visitor.user_id, visitor.agent_id, visitor.token_id, visitor.token_name, server)


class Sessions:
    """All sessions. ``say`` tells the other processes that one has changed; ``is_heard`` is whether what they say is heard here."""

    def __init__(self, store: redis.asyncio.Redis, say: Callable[[str, str], Awaitable[None]], is_heard: Callable[[], bool]) -> None:
        self._redis = store
        self._say = say
        self._is_heard = is_heard
        self._known: dict[str, Session] = {}
        self._touching: set[asyncio.Task[None]] = set()

    async def begin(
        self,
        visitor: Visitor,
        server: str,
        version: str,
        info: Message,
        capabilities: Message,
        leg: tuple[UUID, Leg] | None = None,
        *,
        greets: bool = True,
    ) -> Session:
        """A new session; the one of the user's that was not used for longest ends where there are too many. Raises `Unavailable`."""
        session = Session(
            secrets.token_urlsafe(24), visitor.user_id, visitor.agent_id, visitor.token_id, visitor.token_name, server, version, info,
            capabilities, uuid.uuid4(), greets, read_at=time.monotonic(), touched_at=time.monotonic(),
        )  # fmt: skip
        about = {
            "user": session.user_id, "agent": str(session.agent_id), "token": session.token_id, "name": session.token_name,
            "server": server, "version": version, "info": info, "capabilities": capabilities, "run": str(session.run),
            "greets": session.greets,
        }  # fmt: skip
        keys = [_key(session.id), _key_of_user(session.user_id)]
        values: list[str | int] = [json.dumps(about), IDLE_SECONDS, int(time.time()), session.id, MOST_OF_A_USER]
        if leg is not None:
            session.legs[leg[0]] = leg[1]
            values += [f"leg:{leg[0]}", leg[1].dump()]
        with answering():
            for oldest in await cast(Awaitable[list[bytes]], self._redis.eval(_ADD, 2, *keys, *values)):
                await self._remove(oldest.decode())
        self._keep(session)
        return session

    async def find(self, session_id: str) -> Session | None:
        """The session of this id, now used. Raises `Unavailable` where that is not known now."""
        if len(session_id) > LONGEST_ID:
            return None
        now = time.monotonic()
        session = self._known.get(session_id)
        if session is None or now - session.read_at > TOUCH_SECONDS or not self._is_heard():
            session = await self._read(session_id)
        if session is not None and now - session.touched_at > TOUCH_SECONDS:
            session.touched_at = now
            task = asyncio.create_task(self._touch(session))
            self._touching.add(task)
            task.add_done_callback(self._touching.discard)
        return session

    async def end(self, session: Session) -> None:
        """It is over, everywhere."""
        with answering():
            await self._redis.zrem(_key_of_user(session.user_id), session.id)
            await self._remove(session.id)

    async def set_leg(self, session: Session, server_id: UUID, before: Leg | None, leg: Leg) -> Leg | None:
        """Note a session at a server, in place of the one before; what counts from now on: that of whoever was quicker, or None where
        the session is over.
        """
        old = before.dump() if before else ""
        with answering():
            found = await cast(Awaitable[bytes], self._redis.eval(_SWAP, 1, _key(session.id), f"leg:{server_id}", old, leg.dump()))
        if not found:
            return None
        counts = Leg.load(found.decode())
        session.legs[server_id] = counts
        if counts == leg:
            await self._say("changed", session.id)
        return counts

    async def set_level(self, session: Session, level: str) -> None:
        """The log messages that its client wants."""
        session.level = level
        await self._set(session, "level", level)

    async def watch(self, session: Session, uri: str, server_id: UUID | None) -> None:
        """Its client watches a resource of this server, or (None) no longer."""
        if server_id is None:
            session.watched.pop(uri, None)
        else:
            session.watched[uri] = server_id
        await self._set(session, "watched", json.dumps({uri: str(of) for uri, of in session.watched.items()}))

    def forget(self, session_id: str = "") -> None:
        """Read this one again at its next use; all, where none is named."""
        if session_id:
            self._known.pop(session_id, None)
        else:
            self._known.clear()

    async def _set(self, session: Session, name: str, value: str) -> None:
        with answering():
            if await self._redis.exists(_key(session.id)):
                await self._redis.hset(_key(session.id), name, value)
                await self._say("changed", session.id)

    async def _read(self, session_id: str) -> Session | None:
        self._known.pop(session_id, None)
        with answering():
            stored = await cast(Awaitable[dict[bytes, bytes]], self._redis.hgetall(_key(session_id)))
        if b"about" not in stored:
            return None
        about = json.loads(stored[b"about"])
        session = Session(
            session_id, about["user"], UUID(about["agent"]), about["token"], about["name"], about["server"], about["version"],
            about["info"], about["capabilities"], UUID(about["run"]), about.get("greets", False), read_at=time.monotonic(),
        )  # fmt: skip
        session.legs = {UUID(name[4:].decode()): Leg.load(value.decode()) for name, value in stored.items() if name.startswith(b"leg:")}
        session.level = stored.get(b"level", b"").decode()
        session.watched = {uri: UUID(of) for uri, of in json.loads(stored.get(b"watched", b"{}")).items()}
        self._keep(session)
        return session

    def _keep(self, session: Session) -> None:
        if len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[session.id] = session

    async def _touch(self, session: Session) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            _ = pipe.expire(_key(session.id), IDLE_SECONDS)
            _ = pipe.zadd(_key_of_user(session.user_id), {session.id: int(time.time())}, xx=True)
            _ = pipe.expire(_key_of_user(session.user_id), IDLE_SECONDS)
            try:
                await pipe.execute()
            except (RedisError, OSError):
                session.touched_at = 0.0

    async def _remove(self, session_id: str) -> None:
        self._known.pop(session_id, None)
        await self._redis.delete(_key(session_id))
        await self._say("ended", session_id)


class answering:  # noqa: N801 (read as a word)
    """What Redis cannot do now becomes `Unavailable`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, RedisError | OSError):
            raise Unavailable("Sessions cannot be looked up now. Try again in a moment.", code="sessions_unavailable") from error


def _key(session_id: str) -> str:
    return f"agentopia:mcp:session:{session_id}"


def _key_of_user(user_id: int) -> str:
    return f"agentopia:mcp:sessions:{user_id}"
