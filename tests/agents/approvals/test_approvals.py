"""Calls that wait for a person: asked, decided once, used once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent, User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from agents.approvals import Verdict, decide, expire_due
from agents.calling.admission import is_destructive
from agents.calling.carry import carry
from agents.calling.errors import ApprovalPending, Refused
from agents.calling.types import Waits
from agents.models import Approval, StandingApproval, ToolCall
from agents.services.grants import revoke_grant, set_tool_rules
from tests.agents.approvals.conftest import Decide, asked
from tests.agents.calling.caller import AgentAtWork, Answering, in_database, receipt_of
from tests.agents.calling.test_receipts_kept import ended
from tests.agents.granting import grant_of, tell_tools
from tests.conftest import ECHO_TOOL

REFUSE = Verdict.REFUSE


async def approval_of(call_id: Any) -> Approval:
    return await in_database(Approval.objects.get, call=call_id)


async def test_an_approved_call_is_made(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox, told = Answering(), []

    async def waiting(approval_id: Any, until: Any) -> None:
        told.append(approval_id)

    task = asyncio.create_task(at_work.call(toolbox, on_waiting=waiting))
    pending = await asked(at_work)
    receipt = await receipt_of(pending.call_id)
    assert (receipt.status, receipt.ended_at, toolbox.asked, told) == ("waiting", None, [], [pending.pk])
    assert (pending.arguments, pending.owner_id) == ({"message": "hi"}, at_work.owner.pk)
    await deciding()
    call = await task
    receipt, approval = await ended(call), await approval_of(call.id)
    assert (receipt.status, toolbox.asked) == ("succeeded", [{"message": "hi"}])
    assert receipt.approval_ms > 0
    assert (approval.status, approval.arguments, approval.decided_by_id) == ("approved", None, at_work.owner.pk)
    assert approval.used_at is not None
    assert await in_database(AuditEvent.objects.filter(action="approval.approved").count) == 1


async def test_a_refused_call_is_not(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    task = asyncio.create_task(at_work.call(toolbox))
    await deciding(REFUSE, note="Not on a Friday.")
    with pytest.raises(Refused, match=r"Not on a Friday\.") as refused:
        await task
    assert refused.value.code == "approval_refused"
    receipt = await receipt_of(refused.value.receipt_id)
    assert (receipt.status, receipt.error_code, toolbox.asked) == ("refused", "approval_refused", [])
    assert "Friday" in receipt.error_message
    assert await in_database(ToolCall.objects.count) == 1


async def test_nobody_decides_in_time(serving: None, at_work: AgentAtWork, settings: Any) -> None:
    settings.APPROVAL_SECONDS = 0.3
    with pytest.raises(Refused) as refused:
        await at_work.call()
    assert refused.value.code == "approval_expired"
    assert (await receipt_of(refused.value.receipt_id)).error_code == "approval_expired"
    assert (await approval_of(refused.value.receipt_id)).status == "expired"


async def test_who_leaves_withdraws(serving: None, at_work: AgentAtWork) -> None:
    task = asyncio.create_task(at_work.call())
    pending = await asked(at_work)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await receipt_of(pending.call_id)).status == "cancelled"
    assert (await approval_of(pending.call_id)).status == "withdrawn"
    with pytest.raises(Conflict):
        await in_database(decide, owner=at_work.owner, approval_id=pending.pk, verdict=Verdict.APPROVE)


async def test_edited_arguments_are_called_and_kept(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    task = asyncio.create_task(at_work.call(toolbox))
    await deciding(arguments={"message": "hello"})
    call = await task
    assert toolbox.asked == [{"message": "hello"}]
    assert ((await ended(call)).arguments, (await approval_of(call.id)).was_edited) == ({"message": "hello"}, True)


async def test_edited_arguments_are_checked_by_schema_and_rules(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    task = asyncio.create_task(at_work.call())
    pending = await asked(at_work)
    rules = {"type": "object", "properties": {"message": {"maxLength": 5}}}
    grant = await in_database(grant_of, at_work.agent)
    await in_database(set_tool_rules, owner=at_work.owner, grant_id=grant.pk, name="echo", argument_rules=rules)
    for arguments in ({"message": 7}, {"message": "too long"}):
        with pytest.raises(InvalidInput):
            await deciding(arguments=arguments)
        assert (await approval_of(pending.call_id)).status == "waiting"
    await deciding(arguments={"message": "short"})
    assert (await task).arguments == {"message": "short"}


async def test_a_call_whose_grant_is_revoked_while_it_waits_is_not_made(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    task = asyncio.create_task(at_work.call(toolbox))
    await asked(at_work)
    grant = await in_database(grant_of, at_work.agent)
    await in_database(revoke_grant, owner=at_work.owner, grant_id=grant.pk)
    await deciding()
    with pytest.raises(Refused) as refused:
        await task
    assert (refused.value.code, toolbox.asked) == ("tool_not_found", [])
    assert (await receipt_of(refused.value.receipt_id)).status == "refused"


async def test_a_definition_that_changes_while_a_call_waits_stops_it(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    task = asyncio.create_task(at_work.call(toolbox))
    await asked(at_work)
    await in_database(tell_tools, at_work.server, [{**ECHO_TOOL, "description": "Sends it to everybody."}])
    await deciding()
    with pytest.raises(Refused) as refused:
        await task
    assert (refused.value.code, toolbox.asked) == ("tool_held", [])


async def test_of_two_who_decide_one_does(serving: None, at_work: AgentAtWork) -> None:
    toolbox = Answering()
    task = asyncio.create_task(at_work.call(toolbox))
    pending = await asked(at_work)

    def race(verdict: Verdict) -> str:
        try:
            decide(owner=at_work.owner, approval_id=pending.pk, verdict=verdict)
        except Conflict as conflict:
            return conflict.code
        return verdict

    async with asyncio.TaskGroup() as group:
        racers = [group.create_task(asyncio.to_thread(closing, race, verdict)) for verdict in (Verdict.APPROVE, REFUSE) * 3]
    outcomes = sorted(racer.result() for racer in racers)
    assert outcomes.count("approval_decided") == 5
    [outcome] = [outcome for outcome in outcomes if outcome != "approval_decided"]
    if outcome == Verdict.APPROVE:
        await task
    else:
        with pytest.raises(Refused):
            await task
    assert len(toolbox.asked) == (outcome == Verdict.APPROVE)


def closing(work: Any, *args: Any) -> Any:
    try:
        return work(*args)
    finally:
        connection.close()


async def test_another_users_approval_is_not_there(serving: None, at_work: AgentAtWork, stranger: User) -> None:
    task = asyncio.create_task(at_work.call())
    pending = await asked(at_work)
    with pytest.raises(NotFound):
        await in_database(decide, owner=stranger, approval_id=pending.pk, verdict=Verdict.APPROVE)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_calls_are_allowed_for_a_while(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    first = asyncio.create_task(at_work.call())
    await deciding(remember_seconds=3600)
    await first
    call = await at_work.call()
    assert (await ended(call)).approval_ms is None
    await in_database(StandingApproval.objects.update, expires_at=timezone.now())
    with pytest.raises(ApprovalPending):
        await at_work.call(waits=Waits.ELSEWHERE)


@pytest.mark.parametrize("seconds", [-1, 31 * 86_400])
async def test_an_approval_is_not_remembered_for_ever(serving: None, at_work: AgentAtWork, deciding: Decide, seconds: int) -> None:
    with pytest.raises(ApprovalPending):
        await at_work.call(waits=Waits.ELSEWHERE)
    with pytest.raises(InvalidInput):
        await deciding(remember_seconds=seconds)


async def test_who_comes_again_goes_on_with_the_same_receipt(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(toolbox, waits=Waits.ELSEWHERE)
    with pytest.raises(ApprovalPending) as still:
        await at_work.call(toolbox, waits=Waits.ELSEWHERE, approval=pending.value.approval_id)
    assert still.value.approval_id == pending.value.approval_id
    await deciding(arguments={"message": "better"})
    call = await at_work.call(toolbox, waits=Waits.ELSEWHERE, approval=pending.value.approval_id)
    assert (call.id, toolbox.asked) == (pending.value.receipt_id, [{"message": "better"}])
    assert (await ended(call)).status == "succeeded"
    with pytest.raises(Refused) as again:
        await at_work.call(toolbox, approval=pending.value.approval_id)
    assert (again.value.code, len(toolbox.asked)) == ("approval_used", 1)


async def test_the_same_call_made_again_uses_the_approval_once(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(toolbox, patience=0.1)
    await deciding()
    with pytest.raises(ApprovalPending) as other:  # another call waits for a decision of its own
        await at_work.call(toolbox, waits=Waits.ELSEWHERE, arguments={"message": "no"})
    assert other.value.approval_id != pending.value.approval_id
    call = await at_work.call(toolbox, patience=0.1)
    assert (call.id, toolbox.asked) == (pending.value.receipt_id, [{"message": "hi"}])
    with pytest.raises(ApprovalPending):
        await at_work.call(toolbox, waits=Waits.ELSEWHERE)


async def test_of_two_who_use_an_approval_one_does(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    toolbox = Answering()
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(toolbox, waits=Waits.ELSEWHERE)
    await deciding()
    again = (at_work.call(toolbox, approval=pending.value.approval_id) for _ in range(4))
    outcomes = await asyncio.gather(*again, return_exceptions=True)
    assert sorted(getattr(outcome, "code", "made") for outcome in outcomes) == ["approval_used"] * 3 + ["made"]
    assert len(toolbox.asked) == 1


@pytest.mark.parametrize("arguments", [{"message": "something else"}])
async def test_an_approval_is_not_for_another_call(serving: None, at_work: AgentAtWork, deciding: Decide, arguments: Any) -> None:
    toolbox = Answering()
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(toolbox, waits=Waits.ELSEWHERE)
    await deciding()
    with pytest.raises(Refused) as refused:
        await at_work.call(toolbox, arguments=arguments, approval=pending.value.approval_id)
    assert (refused.value.code, toolbox.asked) == ("approval_mismatch", [])


async def test_what_is_approved_and_not_used_ends(serving: None, at_work: AgentAtWork, deciding: Decide) -> None:
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(waits=Waits.ELSEWHERE)
    await deciding()
    assert await in_database(expire_due) == 0
    await in_database(Approval.objects.update, expires_at=timezone.now() - timedelta(seconds=1))
    assert await in_database(expire_due) == 1
    receipt = await receipt_of(pending.value.receipt_id)
    assert (receipt.status, receipt.error_code) == ("refused", "approval_unused")


async def test_a_decision_of_another_process_is_seen_without_redis(at_work: AgentAtWork, deciding: Decide) -> None:
    task = asyncio.create_task(at_work.call())  # nothing listens here: the row is looked at
    await deciding()
    assert (await ended(await task)).status == "succeeded"


@pytest.mark.parametrize(
    ("annotations", "destructive"),
    [
        (None, True),
        ({}, True),
        ({"destructiveHint": True}, True),
        ({"destructiveHint": False}, False),
        ({"readOnlyHint": True}, False),
        ({"readOnlyHint": "yes"}, True),
        ("odd", True),
    ],
)
async def test_what_may_destroy(serving: None, at_work: AgentAtWork, annotations: Any, destructive: bool) -> None:
    await in_database(tell_tools, at_work.server, [{**ECHO_TOOL, "name": "act", "annotations": annotations}])
    call = await at_work.prepared("notes__act")
    assert call.tool is not None
    assert is_destructive(call.tool) is destructive


async def test_only_what_may_destroy_is_asked_for(serving: None, at_work: AgentAtWork) -> None:
    grant = await in_database(grant_of, at_work.agent)
    await in_database(set_tool_rules, owner=at_work.owner, grant_id=grant.pk, name="echo", approval="destructive")
    with pytest.raises(ApprovalPending):
        await carry(await at_work.prepared(), Answering(), waits=Waits.ELSEWHERE)
    await in_database(set_tool_rules, owner=at_work.owner, grant_id=grant.pk, name="echo", approval="never")
    await at_work.call()
