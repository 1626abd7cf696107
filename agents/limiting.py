"""How many calls may be made: limits of the user, the agent, the token and the grant, counted in Redis for all processes.

A minute slides: at no time were there more calls within 60 s than the limit. A day is one of UTC. CPU time is known only after a call, so
that calls which are on their way when the limit is reached still end.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from django.conf import settings
from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from redis.asyncio import Redis

from agentopia.lib.errors import Unavailable
from agents.calling.errors import TooMany
from agents.calling.redis import AWAY, connected
from agents.calling.rows import asked
from agents.calling.types import Call
from agents.models import CallPolicy
from agents.toolsets.types import Allowance

PREFIX = "agentopia:limits"
MILLISECONDS = 1000
DAY = 86_400
UNLIMITED = Allowance()

_storages: WeakKeyDictionary[Redis, RedisStorage] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Limited:
    """Whose limit it is, for people and as a key, and what the limit is."""

    whose: str
    key: str
    allowance: Allowance


async def count_call(call: Call) -> None:
    """Count a call that is about to be made; raises `TooMany` where it is one too many, `Unavailable` where nobody can count.

    Without a limit Redis is not asked.
    """
    limits = await _limits_of(call)
    if not limits:
        return
    try:
        async with _counting() as storage:
            for limited in limits:
                await _count(storage, limited)
    except AWAY as error:
        raise Unavailable(
            "There is a limit on these calls, and they cannot be counted now: Redis does not answer. Try again in a moment.",
            code="limits_unavailable",
        ) from error


async def count_cpu(call: Call, seconds: float) -> None:
    """Count the CPU time that a call took, towards the limits of the calls after it. While nobody can count, it is not counted."""
    cost = round(seconds * MILLISECONDS)
    if cost <= 0:
        return
    limits = [limited for limited in await _limits_of(call) if limited.allowance.cpu_seconds_per_day is not None]
    if not limits:
        return
    try:
        async with _counting() as storage:
            for limited in limits:
                await FixedWindowRateLimiter(storage).hit(_cpu(limited), limited.key, "cpu", _today(), cost=cost)
    except AWAY:
        return


async def _limits_of(call: Call) -> list[_Limited]:
    """Those that are set, the narrowest first: one that stops a call leaves the wider ones untouched."""
    caller, toolset, tool = call.caller, call.toolset, call.tool
    found: list[_Limited] = []
    if toolset is not None and tool is not None and tool.server.allowance != UNLIMITED:
        found.append(_Limited(f"for “{tool.server.name}”", f"grant:{tool.server.grant_id}", tool.server.allowance))
    if caller.token_id is not None and caller.token_per_minute is not None:
        found.append(_Limited(f"of the token “{caller.token_name}”", f"token:{caller.token_id}", Allowance(caller.token_per_minute)))
    if toolset is not None and toolset.allowance != UNLIMITED:
        found.append(_Limited(f"of the agent “{toolset.name}”", f"agent:{toolset.agent_id}", toolset.allowance))
    of_user = toolset.owner_allowance if toolset is not None else await asked(allowance_of, caller.user_id)
    if of_user != UNLIMITED:
        found.append(_Limited("of your account", f"user:{caller.user_id}", of_user))
    return found


def allowance_of(user_id: int) -> Allowance:
    """What a user may spend in all."""
    policy = CallPolicy.objects.filter(user=user_id).first()
    return Allowance(policy.calls_per_minute, policy.calls_per_day, policy.cpu_seconds_per_day) if policy else Allowance()


@asynccontextmanager
async def _counting() -> AsyncIterator[RedisStorage]:
    async with connected() as redis:
        storage = _storages.get(redis)
        if storage is None:
            storage = _storages[redis] = RedisStorage(
                settings.ENVIRONMENT.redis_url,
                implementation="redispy",
                key_prefix=PREFIX,
                connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # what it says it takes leaves this out
            )
        yield storage


async def _count(storage: RedisStorage, limited: _Limited) -> None:
    allowance, minutes, days = limited.allowance, MovingWindowRateLimiter(storage), FixedWindowRateLimiter(storage)
    if allowance.cpu_seconds_per_day is not None and not await days.test(_cpu(limited), limited.key, "cpu", _today()):
        raise _too_many(f"{allowance.cpu_seconds_per_day} s of CPU time a day", limited, _rest_of_day())
    if allowance.per_minute is not None:
        item = RateLimitItemPerMinute(allowance.per_minute)
        if not await minutes.hit(item, limited.key):
            stats = await minutes.get_window_stats(item, limited.key)
            raise _too_many(f"{allowance.per_minute} calls a minute", limited, max(1.0, stats.reset_time - time.time()))
    if allowance.per_day is not None and not await days.hit(RateLimitItemPerDay(allowance.per_day), limited.key, "calls", _today()):
        raise _too_many(f"{allowance.per_day} calls a day", limited, _rest_of_day())


def _cpu(limited: _Limited) -> RateLimitItemPerDay:
    return RateLimitItemPerDay((limited.allowance.cpu_seconds_per_day or 0) * MILLISECONDS)


def _too_many(what: str, limited: _Limited, seconds: float) -> TooMany:
    when = f"in {seconds:.0f} s" if seconds < 2 * 3600 else "tomorrow (UTC)"
    return TooMany(f"The limit {limited.whose} is reached: {what}. Try again {when}.", seconds)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _rest_of_day() -> float:
    return DAY - time.time() % DAY
