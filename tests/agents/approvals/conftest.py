"""The same agent as in the tests of calls, whose tool needs its owner's approval."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from django.conf import settings
from redis import Redis

from accounts.models import User
from agents.approvals import Verdict, decide
from agents.calling.ledger import keeping_receipts
from agents.calling.stream import stream_name
from agents.models import Approval
from agents.toolsets import cache
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork, in_database
from tests.agents.granting import agent_with
from tests.dtma.agent import eventually

type Decide = Callable[..., Awaitable[Approval]]


@pytest.fixture
def at_work(transactional_db: None, user: User, make_server: Callable[..., McpServer]) -> AgentAtWork:
    with Redis.from_url(settings.ENVIRONMENT.redis_url) as redis:
        redis.delete(stream_name())
    cache.forget()
    server = make_server(name="notes")
    return AgentAtWork(user, agent_with(user, server, approval="always"), server)


@pytest_asyncio.fixture
async def serving(at_work: AgentAtWork) -> AsyncIterator[None]:
    async with keeping_receipts():
        yield


@pytest.fixture
def deciding(at_work: AgentAtWork) -> Decide:
    """The owner decides on the one call that waits, once it does."""

    async def on(verdict: Verdict = Verdict.APPROVE, **more: object) -> Approval:
        waiting = await asked(at_work)
        return await in_database(decide, owner=at_work.owner, approval_id=waiting.pk, verdict=verdict, **more)  # type: ignore[arg-type]

    return on


async def asked(at_work: AgentAtWork) -> Approval:
    """The approval that waits."""

    async def found() -> Approval | None:
        waiting = Approval.objects.filter(status="waiting", agent=at_work.agent)
        return await in_database(waiting.select_related("call").first)

    found_one = await eventually(found)
    assert found_one is not None
    return found_one
