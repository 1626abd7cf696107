"""What changes an approval: each change is made once, by whoever comes first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib import live
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from agents.approvals.waking import wake
from agents.models import Approval, GrantedTool, StandingApproval, ToolCall
from agents.schemas import check_arguments, check_rules
from mcp_registry.models import Tool

LONGEST_NOTE = 500
LONGEST_MEMORY = timedelta(days=30)
AT_ONCE = 500

listeners: list[Callable[[UUID], None]] = []
"""Told the ids of approvals that were decided, or are over, once that is committed. An app adds to it when it starts."""


class Verdict(StrEnum):
    """What a person may say."""

    APPROVE = "approve"
    REFUSE = "refuse"


def patience() -> timedelta:
    """How long a call waits for its owner, and an approval for its call."""
    return timedelta(seconds=settings.APPROVAL_SECONDS)


@transaction.atomic
def decide(
    *,
    owner: User,
    approval_id: UUID,
    verdict: Verdict,
    arguments: dict[str, Any] | None = None,
    note: str = "",
    remember_seconds: int | None = None,
    by: User | None = None,
) -> Approval:
    """Approve or refuse a call that waits: once, with these ``arguments`` where the owner changed them; and with ``remember_seconds`` the
    agent's calls of that tool for so long, as it is defined now.

    Raises `NotFound` for another's, `Conflict` where it is decided already or over, `InvalidInput` for arguments that do not fit.
    """
    approval = _locked(owner, approval_id)
    if verdict is Verdict.REFUSE:
        _close(approval, Approval.Status.REFUSED, "approval_refused", _refusal(note), note=note[:LONGEST_NOTE], by=by or owner)
    else:
        _approve(approval, arguments, remember_seconds, by or owner)
    action = "approval.approved" if verdict is Verdict.APPROVE else "approval.refused"
    changes = {"remembered_seconds": [None, remember_seconds]} if remember_seconds and verdict is Verdict.APPROVE else {}
    called = f"{approval.call.tool_name} of {approval.call.server_name}"
    target = audit.Target("approval", str(approval.pk), called)
    audit.record(action=action, target=target, owner=owner, summary=_summary(approval), changes=changes, by=by)
    return approval


def _locked(owner: User, approval_id: UUID) -> Approval:
    rows = Approval.objects.select_for_update(of=("self",)).select_related("call", "agent")
    approval = rows.filter(pk=approval_id, owner=owner).first()
    if approval is None:
        raise NotFound("You have no such approval; its receipt may have been deleted for its age.", code="approval_not_found")
    if approval.status != Approval.Status.WAITING:
        raise Conflict(f"This call is decided already: it was {approval.get_status_display()}.", code="approval_decided")
    if approval.expires_at <= timezone.now():
        raise Conflict("It is too late: the call waits no longer.", code="approval_expired")
    return approval


def _approve(approval: Approval, arguments: dict[str, Any] | None, remember_seconds: int | None, by: User) -> None:
    if arguments is not None and arguments != approval.arguments:
        check_edited(approval, arguments)
        approval.arguments, approval.was_edited = arguments, True
    now = timezone.now()
    approval.status, approval.decided_at, approval.decided_by = Approval.Status.APPROVED, now, by
    approval.expires_at = max(approval.expires_at, now + patience())  # who was told to come again has time to
    approval.save()
    if remember_seconds:
        _remember(approval, remember_seconds)
    _tell(approval)


def check_edited(approval: Approval, arguments: dict[str, Any]) -> None:
    """Whether these arguments fit, which the call checks too once it goes on: here the person can still put it right.

    Raises `InvalidInput`, and `Conflict` where the tool is another by now.
    """
    call = approval.call
    tool = Tool.objects.filter(server=call.server_id, name=call.tool_name, digest=call.definition_digest).first()
    if tool is None:
        raise Conflict("The tool is not what it was when the call was made: refuse it, and let it be made again.", code="tool_changed")
    check_arguments(tool.name, tool.digest, tool.input_schema, arguments)
    granted = GrantedTool.objects.filter(grant__agent=approval.agent_id, grant__server=call.server_id, name=call.tool_name).first()
    if granted is not None and granted.argument_rules is not None:
        check_rules(tool.name, granted.argument_rules, arguments)


def _remember(approval: Approval, seconds: int) -> None:
    call = approval.call
    if not 0 < seconds <= LONGEST_MEMORY.total_seconds():
        raise InvalidInput("An approval can be remembered for up to 30 days.", fields={"remember_seconds": "At most 30 days."})
    if approval.agent_id is None or call.server_id is None:
        raise Conflict("The agent or the server is no more.", code="approval_expired")
    StandingApproval.objects.update_or_create(
        agent_id=approval.agent_id,
        server_id=call.server_id,
        tool_name=call.tool_name,
        defaults={"digest": call.definition_digest, "expires_at": timezone.now() + timedelta(seconds=seconds)},
    )


@transaction.atomic
def forget(*, owner: User, standing_id: int) -> None:
    """Ask again from now on; raises `NotFound`."""
    standing = StandingApproval.objects.filter(pk=standing_id, agent__owner=owner).select_related("agent").first()
    if standing is None:
        raise NotFound("You have no such approval; it may have ended.", code="approval_not_found")
    target = audit.Target("standingapproval", str(standing.pk), standing.tool_name)
    audit.record(action="approval.forgotten", target=target, owner=owner, summary=f"{standing.tool_name}, for {standing.agent}")
    standing.delete()
    live.publish(live.owner_group(owner.pk))


@transaction.atomic
def withdraw(*, call_id: UUID) -> bool:
    """Who asked for this call has gone. False where nothing waits of it."""
    approval = Approval.objects.select_for_update().filter(call=call_id, status=Approval.Status.WAITING).first()
    if approval is None:
        return False
    _close(
        approval, Approval.Status.WITHDRAWN, "approval_withdrawn", "Who asked left before anybody decided.", ended=ToolCall.Status.CANCELLED
    )
    return True


@transaction.atomic
def expire(*, approval_id: UUID, now: datetime | None = None) -> bool:
    """Its time is over. False where it was decided before, or has time still."""
    approval = Approval.objects.select_for_update().filter(_over(now or timezone.now()), pk=approval_id).first()
    if approval is None:
        return False
    if approval.status == Approval.Status.APPROVED:
        _close(approval, Approval.Status.EXPIRED, "approval_unused", "It was approved, but the call was not made again in time.")
    else:
        _close(approval, Approval.Status.EXPIRED, "approval_expired", "Nobody decided in time.")
    return True


def expire_due() -> int:
    """End what nobody decided in time, and what was approved and not used; returns how many. The standing ones that are over go too."""
    now = timezone.now()
    StandingApproval.objects.filter(expires_at__lte=now).delete()
    due = list(Approval.objects.filter(_over(now)).values_list("pk", flat=True)[:AT_ONCE])
    return sum(expire(approval_id=approval_id, now=now) for approval_id in due)


def _over(now: datetime) -> Q:
    open_ = Q(status=Approval.Status.WAITING) | Q(status=Approval.Status.APPROVED, used_at=None)
    return open_ & Q(expires_at__lte=now)


def _close(
    approval: Approval,
    status: Approval.Status,
    code: str,
    message: str,
    *,
    ended: ToolCall.Status = ToolCall.Status.REFUSED,
    note: str = "",
    by: User | None = None,
) -> None:
    """End it, and with it its call, whether anybody waits for that or not."""
    now = timezone.now()
    approval.status, approval.arguments, approval.note = status, None, note
    if by is not None or approval.decided_at is None:
        approval.decided_at, approval.decided_by = now, by
    approval.save()
    waited = (now - approval.created_at).total_seconds() * 1000
    ToolCall.objects.filter(pk=approval.call_id, ended_at=None).update(
        status=ended, error_code=code, error_message=message, ended_at=now, approval_ms=waited
    )
    _tell(approval)


def _tell(approval: Approval) -> None:
    wake(approval.pk)
    for listener in listeners:
        transaction.on_commit(partial(listener, approval.pk))
    live.publish(live.owner_group(approval.owner_id), live.everywhere_group(approval.owner_id))


def _refusal(note: str) -> str:
    told = note.strip()[:LONGEST_NOTE]
    return f"The owner refused this call: {told}" if told else "The owner refused this call."


def _summary(approval: Approval) -> str:
    who = f"for {approval.agent}" if approval.agent else ""
    return f"{who}{', with other arguments' if approval.was_edited else ''}".strip(", ")
