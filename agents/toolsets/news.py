"""What processes tell each other of toolsets, through Redis: the newest version of each agent's, and that there is one.

An agent's row in PostgreSQL is the truth. Redis only saves asking it, so a message that is lost costs time, never correctness.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from functools import cache
from uuid import UUID

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL = "agentopia:toolsets"
KEPT_SECONDS = 86_400
_RAISE = """
local known = tonumber(redis.call('GET', KEYS[1]) or 0)
if known > tonumber(ARGV[1]) then return known end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return tonumber(ARGV[1])
"""


def key_of(agent_id: UUID) -> str:
    """The Redis key of the newest version that anybody knows; there may be none."""
    return f"agentopia:toolset:{agent_id}"


def tell(versions: Mapping[UUID, int]) -> None:
    """Let every process know that these agents' toolsets have these versions now; without Redis they find out by themselves."""
    _write(versions, announce=True)


def note(agent_id: UUID, version: int) -> None:
    """Keep a version that was read, so that calls can compare theirs with it. A newer one stays."""
    _write({agent_id: version}, announce=False)


def versions_in(message: bytes | str) -> dict[UUID, int]:
    """What `tell` told; nothing of a message that is none of ours."""
    try:
        return {UUID(agent): int(version) for agent, version in json.loads(message).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(versions: Mapping[UUID, int], *, announce: bool) -> None:
    if not versions:
        return
    try:
        pipe = _redis().pipeline(transaction=False)
        for agent_id, version in versions.items():
            pipe.eval(_RAISE, 1, key_of(agent_id), version, KEPT_SECONDS)
        if announce:
            pipe.publish(CHANNEL, _message(versions.items()))
        pipe.execute()
    except (redis.RedisError, OSError) as error:
        logger.warning("Other processes were not told of an agent's toolset: %s", error)


def _message(versions: Iterable[tuple[UUID, int]]) -> str:
    return json.dumps({str(agent_id): version for agent_id, version in versions})


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.ENVIRONMENT.redis_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1))
