"""Every attempt leaves one receipt, which says what came of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError
from redis import Redis

from agents.calling.carry import carry
from agents.calling.errors import CallFailed, Refused
from agents.calling.types import Forwarded
from agents.models import ToolCall
from agents.services.grants import revoke_grant
from dtma_client import DtmaUnreachable
from tests.agents.calling.caller import AgentAtWork, Answering, Via, failing, in_database, result_of
from tests.agents.granting import grant_of
from tests.dtma.agent import eventually

COST = {"cpu_seconds": 0.25, "egress_bytes": 1200, "peak_memory_bytes": 4096, "server_seconds": 0.125, "shared": True}
OUTAGE_SECONDS = 30.0
"""Whoever asked for a connection while the database was away waits 10 s for it before it tries again."""


async def ended(call: Any) -> Any:
    """Its receipt, once that says how it ended."""

    async def found() -> ToolCall | None:
        with suppress(OperationalError):  # the pool's own pauses after an outage
            return await in_database(ToolCall.objects.filter(pk=call.id).exclude(ended_at=None).first)
        return None

    return await eventually(found, OUTAGE_SECONDS)


@pytest.mark.parametrize("via", [Via.GATEWAY, Via.CHAT])
async def test_a_call_that_succeeds(serving: None, at_work: AgentAtWork, via: Via) -> None:
    toolbox = Answering(result_of("hi", _meta={"io.agentopia/cost": COST}))
    call = await at_work.call(toolbox, via=via, token_id=7, token_name="laptop", client="claude-code 2.1")
    receipt = await ended(call)
    assert toolbox.asked == [{"message": "hi"}]
    assert (receipt.status, receipt.arguments, receipt.result["content"][0]["text"]) == ("succeeded", {"message": "hi"}, "hi")
    assert (receipt.user_id, receipt.agent_id, receipt.server_id) == (at_work.owner.pk, at_work.agent.pk, at_work.server.pk)
    assert (receipt.agent_name, receipt.server_name, receipt.tool_name) == ("Helper", "notes", "echo")
    assert (receipt.token_id, receipt.token_name, receipt.client, receipt.via) == (7, "laptop", "claude-code 2.1", via)
    assert (receipt.cpu_seconds, receipt.egress_bytes, receipt.peak_memory_bytes) == (0.25, 1200, 4096)
    assert (receipt.server_ms, receipt.cost_shared, receipt.approval_ms) == (125, True, None)
    assert receipt.definition_digest
    assert receipt.queue_ms is not None
    assert receipt.duration_ms is not None


async def test_an_error_of_the_tool_is_a_result(serving: None, at_work: AgentAtWork) -> None:
    receipt = await ended(await at_work.call(Answering(result_of("no such file", isError=True))))
    assert receipt.status == "tool_error"


async def test_a_server_that_answers_with_an_error(serving: None, at_work: AgentAtWork) -> None:
    async def forward(call: Any) -> Forwarded:
        return Forwarded(error_code=-32603, error_message="out of paper")

    receipt = await ended(await at_work.call(forward))
    assert (receipt.status, receipt.error_code, receipt.error_message) == ("failed", "mcp_error", "out of paper")


async def test_a_toolbox_that_is_away(serving: None, at_work: AgentAtWork) -> None:
    with pytest.raises(CallFailed) as failed:
        await at_work.call(failing(DtmaUnreachable("gone")))
    assert (failed.value.code, failed.value.retryable) == ("toolbox_unreachable", True)
    receipt = await eventually(lambda: found(failed.value))
    assert (receipt.status, receipt.error_code) == ("failed", "toolbox_unreachable")


async def found(failure: CallFailed) -> Any:
    return await in_database(ToolCall.objects.filter(pk=failure.receipt_id).exclude(ended_at=None).first)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [("notes__shout", {}, "tool_not_found"), ("notes__echo", {}, "invalid_arguments"), ("other__echo", {}, "tool_not_found")],
)
async def test_what_is_refused_has_its_receipt(serving: None, at_work: AgentAtWork, name: str, arguments: Any, code: str) -> None:
    toolbox = Answering()
    with pytest.raises(Refused) as refused:
        await at_work.call(toolbox, name, arguments)
    assert refused.value.code == code
    receipt = await eventually(lambda: found(refused.value))
    assert (receipt.status, receipt.error_code, receipt.arguments) == ("refused", code, arguments)
    assert toolbox.asked == []


async def test_who_leaves_cancels(serving: None, at_work: AgentAtWork) -> None:
    toolbox = Answering(gate=asyncio.Event())
    call = await at_work.prepared()
    task = asyncio.create_task(carry(call, toolbox))
    await toolbox.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ended(call)).status == "cancelled"


async def test_a_fault_of_our_own_has_its_receipt_too(serving: None, at_work: AgentAtWork) -> None:
    call = await at_work.prepared()
    with pytest.raises(ZeroDivisionError):
        await carry(call, failing(ZeroDivisionError()))
    assert (await ended(call)).error_code == "internal_error"


async def test_a_revoked_grant_stops_the_next_call_and_leaves_the_one_on_its_way(serving: None, at_work: AgentAtWork) -> None:
    toolbox, late = Answering(gate=asyncio.Event()), await at_work.prepared()
    open_ = await at_work.prepared()
    task = asyncio.create_task(carry(open_, toolbox))
    await toolbox.reached.wait()
    grant = await in_database(grant_of, at_work.agent)
    await in_database(revoke_grant, owner=at_work.owner, grant_id=grant.pk)
    with pytest.raises(Refused) as refused:  # though it was prepared before: this process hears of nothing
        await carry(late, toolbox)
    assert refused.value.code == "tool_not_found"
    assert len(toolbox.asked) == 1
    toolbox.open()
    await task
    assert ((await ended(open_)).status, (await ended(late)).status) == ("succeeded", "refused")
    assert await in_database(ToolCall.objects.count) == 2


async def test_many_at_once(serving: None, at_work: AgentAtWork, redis: Redis) -> None:
    calls = await asyncio.gather(*(at_work.call() for _ in range(300)))

    async def all_there() -> bool:
        return await in_database(ToolCall.objects.filter(status="succeeded").count) == len(calls)

    await eventually(all_there)
    assert await in_database(ToolCall.objects.count) == len(calls)
