"""The rows of approvals on the way of a call: found or made, put down, used."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agentopia.lib import live
from agentopia.lib.errors import NotFound
from agents.approvals.deciding import patience
from agents.calling.errors import NotAllowed
from agents.calling.receipt import GRACE, Receipt
from agents.calling.rows import store
from agents.calling.types import Call
from agents.models import Approval, StandingApproval, ToolCall
from agents.toolsets.types import OfferedTool

PUT_DOWN = "approval_pending"
"""Stands in the receipt of a call that waits while nobody waits with it: the same call made again takes it up, once."""


def stands(call: Call, tool: OfferedTool) -> bool:
    """Whether the owner allowed calls of the tool, as it is defined now, for a while."""
    if call.toolset is None:
        return False
    standing = StandingApproval.objects.filter(agent=call.toolset.agent_id, server=tool.server.id, tool_name=tool.tool_name)
    return standing.filter(digest=tool.digest, expires_at__gt=timezone.now()).exists()


@transaction.atomic
def found_or_asked(receipt: Receipt, tool: OfferedTool, reason: str, *, takes_up: bool) -> Approval:
    """The approval of this call: of the same call made before, where that was put down, or a new one.

    The call takes on the earlier one's receipt; with ``takes_up`` it waits with it too, which no other call does then. Raises `NotFound`
    and `NotAllowed` for an id in ``call.approval`` that does not fit.
    """
    call = receipt.call
    found = _named(receipt, tool) if call.approval is not None else _put_down_before(receipt, tool)
    if found is None:
        return _new(receipt, tool, reason)
    call.id, call.created_at = found.call_id, found.call.created_at
    if found.status == Approval.Status.WAITING:
        receipt.status = ToolCall.Status.WAITING
        if takes_up:
            ToolCall.objects.filter(pk=found.call_id).update(error_code="")
    receipt.renew()
    return found


def _of_caller(call: Call, tool: OfferedTool) -> Any:
    rows = Approval.objects.select_for_update(of=("self", "call")).select_related("call")
    return rows.filter(owner=call.caller.user_id, agent=call.toolset.agent_id if call.toolset else None)


def _named(receipt: Receipt, tool: OfferedTool) -> Approval:
    call = receipt.call
    found: Approval | None = _of_caller(call, tool).filter(pk=call.approval).first()
    if found is None:
        raise NotFound("There is no such approval for this agent.", code="approval_not_found")
    if found.used_at is not None:
        raise NotAllowed("This approval was used already: it is for one call.", code="approval_used")
    same = (found.call.server_id, found.call.tool_name) == (tool.server.id, tool.tool_name)
    if found.status in (Approval.Status.WAITING, Approval.Status.APPROVED) and not (same and _same_arguments(found, receipt)):
        raise NotAllowed("This approval is for another call.", code="approval_mismatch")
    if found.status == Approval.Status.WAITING and found.call.error_code != PUT_DOWN:
        raise NotAllowed("This call waits already, in another request.", code="approval_mismatch")
    return found


def _put_down_before(receipt: Receipt, tool: OfferedTool) -> Approval | None:
    waits = Q(status=Approval.Status.WAITING, call__error_code=PUT_DOWN)
    allowed = Q(status=Approval.Status.APPROVED, used_at=None, call__error_code=PUT_DOWN)
    rows = _of_caller(receipt.call, tool).filter(waits | allowed, expires_at__gt=timezone.now(), call__server=tool.server.id)
    rows = rows.filter(call__tool_name=tool.tool_name, call__definition_digest=tool.digest).order_by("created_at")
    return next((row for row in rows if _same_arguments(row, receipt)), None)


def _same_arguments(approval: Approval, receipt: Receipt) -> bool:
    """Whether it is the same call. Of one that was edited only the receipt tells what was asked for, without its secrets: what is
    called then are the arguments that were approved, in any case.
    """
    if approval.was_edited:
        return bool(approval.call.arguments == json.loads(receipt.arguments))
    return bool(approval.arguments == receipt.call.arguments)


def _new(receipt: Receipt, tool: OfferedTool, reason: str) -> Approval:
    call, until = receipt.call, timezone.now() + patience()
    receipt.status = ToolCall.Status.WAITING
    store([receipt.encoded(until + GRACE)], [])
    # Where the receipt said already that the call begins, since the grant was changed in that moment.
    ToolCall.objects.filter(pk=call.id, ended_at=None).update(status=ToolCall.Status.WAITING, deadline=until + GRACE)
    approval = Approval.objects.create(
        call_id=call.id,
        owner_id=call.caller.user_id,
        agent_id=call.toolset.agent_id if call.toolset else None,
        reason=reason[:200],
        arguments=call.arguments,
        expires_at=until,
    )
    live.publish(live.owner_group(approval.owner_id), live.everywhere_group(approval.owner_id))
    return approval


def put_down(approval: Approval) -> None:
    """Nobody waits with it any more; it waits on."""
    ToolCall.objects.filter(pk=approval.call_id, status=ToolCall.Status.WAITING).update(error_code=PUT_DOWN)


@transaction.atomic
def use(approval_id: Any, receipt: Receipt, tool: OfferedTool) -> bool:
    """Make the call with it; False where that was done before, or it is over, or of another definition. It forgets the arguments."""
    now = timezone.now()
    rows = Approval.objects.filter(pk=approval_id, status=Approval.Status.APPROVED, used_at=None, expires_at__gt=now)
    if not rows.filter(call__definition_digest=tool.digest).update(used_at=now, arguments=None):
        return False
    ToolCall.objects.filter(pk=receipt.id, ended_at=None).update(
        status=ToolCall.Status.RUNNING, error_code="", arguments=json.loads(receipt.arguments), deadline=receipt.deadline()
    )
    live.publish(live.owner_group(receipt.call.caller.user_id))
    return True
