"""Limits on calls: whose they are, how they count, and what happens where nobody can count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from agents import limiting
from agents.calling.carry import carry
from agents.calling.errors import LimitReached, Refused
from agents.models import Agent, CallPolicy, Grant
from agents.toolsets.touch import touch
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork, Answering, in_database, receipt_of, result_of
from tests.agents.calling.test_receipts_kept import ended

BURNS = result_of(_meta={"io.agentopia/cost": {"cpu_seconds": 0.8, "shared": False}})


def limit_agent(at_work: AgentAtWork, **limits: int) -> None:
    Agent.objects.filter(pk=at_work.agent.pk).update(**limits)
    touch(agent_ids=[at_work.agent.pk])


def limit_grant(at_work: AgentAtWork, **limits: int) -> None:
    Grant.objects.filter(agent=at_work.agent).update(**limits)
    touch(agent_ids=[at_work.agent.pk])


def limit_user(at_work: AgentAtWork, **limits: int) -> None:
    CallPolicy.objects.update_or_create(user=at_work.owner, defaults=limits)
    touch(owner_id=at_work.owner.pk)


@pytest.mark.parametrize("limit", [limit_agent, limit_grant, limit_user])
@pytest.mark.parametrize("per", ["calls_per_minute", "calls_per_day"])
async def test_calls_are_counted(serving: None, at_work: AgentAtWork, limit: Callable[..., None], per: str) -> None:
    await in_database(limit, at_work, **{per: 2})
    toolbox = Answering()
    for _ in range(2):
        await at_work.call(toolbox)
    with pytest.raises(LimitReached, match="2 calls a") as reached:
        await at_work.call(toolbox)
    assert (reached.value.code, reached.value.http_status, reached.value.retryable) == ("limit_reached", 429, True)
    assert 0 < reached.value.retry_after <= (60 if per == "calls_per_minute" else 86_400)
    assert len(toolbox.asked) == 2


async def test_a_token_has_a_limit_of_its_own(serving: None, at_work: AgentAtWork) -> None:
    of_token: dict[str, Any] = {"token_id": at_work.agent.owner_id, "token_name": "laptop", "token_per_minute": 1}
    await at_work.call(**of_token)
    with pytest.raises(LimitReached, match="laptop"):
        await at_work.call(**of_token)
    await at_work.call()


async def test_cpu_time_stops_the_calls_after_it(serving: None, at_work: AgentAtWork) -> None:
    await in_database(limit_agent, at_work, cpu_seconds_per_day=1)
    toolbox = Answering(BURNS)
    for _ in range(2):
        await at_work.call(toolbox)
    with pytest.raises(LimitReached, match="CPU"):
        await at_work.call(toolbox)


async def test_what_stops_a_call_leaves_wider_limits_untouched(serving: None, at_work: AgentAtWork) -> None:
    await in_database(limit_grant, at_work, calls_per_minute=1)
    await in_database(limit_user, at_work, calls_per_minute=3)
    await at_work.call()
    for _ in range(5):
        with pytest.raises(LimitReached, match="notes"):
            await at_work.call()
    await in_database(limit_grant, at_work, calls_per_minute=100)
    await at_work.call()
    await at_work.call()
    with pytest.raises(LimitReached, match="account"):
        await at_work.call()


async def test_where_nobody_can_count_nothing_is_called(at_work: AgentAtWork, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    await in_database(limit_agent, at_work, calls_per_minute=100)
    call = await at_work.prepared()
    monkeypatch.setattr(settings.ENVIRONMENT, "redis_url", "redis://127.0.0.1:1/0")
    toolbox = Answering()
    with pytest.raises(Refused, match="Redis") as refused:
        await carry(call, toolbox)
    assert (refused.value.code, refused.value.retryable, toolbox.asked) == ("limits_unavailable", True, [])
    assert (await receipt_of(call)).error_code == "limits_unavailable"


async def test_without_limits_redis_is_not_asked(at_work: AgentAtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiting, "connected", None)
    await limiting.count_call(await at_work.prepared())


def test_ones_own_calls_count_too(transactional_db: None, api: APIClient, user: User, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    CallPolicy.objects.create(user=user, calls_per_minute=1)
    address = f"/api/v1/servers/{server.pk}/tools/echo/call/"
    assert api.post(address, {"arguments": {"message": "hi"}}, format="json").status_code == 503  # nothing listens there
    answer = api.post(address, {"arguments": {"message": "hi"}}, format="json")
    assert (answer.status_code, answer.data["code"]) == (429, "limit_reached")


async def test_a_refused_call_has_its_receipt(serving: None, at_work: AgentAtWork) -> None:
    await in_database(limit_agent, at_work, calls_per_day=1)
    await at_work.call()
    with pytest.raises(LimitReached) as reached:
        await at_work.call()
    call = await at_work.prepared()
    call.id = reached.value.receipt_id
    assert (await ended(call)).error_code == "limit_reached"
