"""Calls of an agent in the chat, and what becomes of receipts in the course of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.calling.errors import CallFailed, Refused
from agents.calling.types import Caller
from agents.models import Approval, CallPolicy, ToolCall
from agents.services import call_as_agent
from agents.services.calls import AT_ONCE, forget_old_calls
from agents.tasks import close_interrupted_calls, drain_receipts, expire_approvals
from agents.tasks import forget_old_calls as forgetting
from tests.agents.calling.caller import AgentAtWork, Via, in_database


async def test_the_chat_calls_as_an_agent(at_work: AgentAtWork) -> None:
    caller = Caller(at_work.owner.pk, Via.CHAT)
    with pytest.raises(CallFailed) as failed:  # nothing listens where the toolbox should be
        await call_as_agent(caller=caller, agent_id=at_work.agent.pk, name="notes__echo", arguments={"message": "hi"})
    receipt = await in_database(ToolCall.objects.get, pk=failed.value.receipt_id)
    assert (receipt.via, receipt.agent_id, receipt.status, receipt.error_code) == (
        "chat",
        at_work.agent.pk,
        "failed",
        "toolbox_unreachable",
    )
    with pytest.raises(Refused):
        await call_as_agent(caller=caller, agent_id=at_work.agent.pk, name="notes__shout", arguments={})
    assert await in_database(ToolCall.objects.count) == 2


async def test_not_as_another_users_agent(at_work: AgentAtWork, stranger: User) -> None:
    with pytest.raises(NotFound):
        await call_as_agent(caller=Caller(stranger.pk, Via.CHAT), agent_id=at_work.agent.pk, name="notes__echo", arguments={})
    assert not await in_database(ToolCall.objects.exists)


def old(user: User, days: float, **fields: Any) -> ToolCall:
    at = timezone.now() - timedelta(days=days)
    given = {"via": "api", "server_name": "notes", "tool_name": "echo", "status": "succeeded", "created_at": at, "deadline": at}
    return ToolCall.objects.create(user=user, **given | fields)


def test_receipts_are_kept_for_as_long_as_their_user_says(user: User, stranger: User) -> None:
    CallPolicy.objects.create(user=stranger, keep_days=7)
    kept = {old(user, 89).pk, old(stranger, 6).pk}
    gone = old(user, 91)
    old(stranger, 8)
    Approval.objects.create(call=gone, owner=user, reason="", expires_at=timezone.now(), status="approved")
    assert forget_old_calls() == 2
    assert set(ToolCall.objects.values_list("pk", flat=True)) == kept
    assert not Approval.objects.exists()


def test_many_are_deleted_some_at_a_time(user: User) -> None:
    at = timezone.now() - timedelta(days=100)
    ToolCall.objects.bulk_create(
        ToolCall(user=user, via="api", server_name="x", tool_name="x", created_at=at, deadline=at) for _ in range(2 * AT_ONCE + 1)
    )
    assert forget_old_calls() == 2 * AT_ONCE + 1


def test_the_tasks_run(transactional_db: None) -> None:
    for task in (close_interrupted_calls, drain_receipts, expire_approvals, forgetting):
        task()
