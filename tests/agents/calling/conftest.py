"""An agent with a grant for one server, and a process that keeps receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from django.conf import settings
from redis import Redis

from accounts.models import User
from agents.calling.ledger import keeping_receipts
from agents.calling.stream import stream_name
from agents.toolsets import cache
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork
from tests.agents.granting import agent_with


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis.from_url(settings.ENVIRONMENT.redis_url) as client:
        yield client


@pytest.fixture
def at_work(transactional_db: None, redis: Redis, user: User, make_server: Callable[..., McpServer]) -> AgentAtWork:
    """The user's agent, which may call the tool `echo` of a server that runs, without asking anybody."""
    redis.delete(stream_name())  # what an earlier run left there would be found in this one's database
    cache.forget()
    server = make_server(name="notes")
    return AgentAtWork(user, agent_with(user, server, approval="never"), server)


@pytest_asyncio.fixture
async def serving(at_work: AgentAtWork) -> AsyncIterator[None]:
    """This process serves: the gateway's receipts go to Redis, and from there into PostgreSQL."""
    async with keeping_receipts():
        yield
