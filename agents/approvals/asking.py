"""A call's way through approval: leave that there is already, the question, the wait, and the use of the answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from agentopia.lib.errors import AgentopiaError, Unavailable
from agents.approvals import rows
from agents.approvals.deciding import expire, withdraw
from agents.approvals.waking import wait
from agents.calling.errors import ApprovalPending, NotAllowed
from agents.calling.receipt import Receipt
from agents.calling.rows import asked
from agents.calling.types import Call, OnWaiting, Waits
from agents.models import Approval
from agents.toolsets.types import OfferedTool

_ENDED = {
    Approval.Status.EXPIRED: ("approval_expired", "Nobody decided in time whether it may be called."),
    Approval.Status.WITHDRAWN: ("approval_withdrawn", "Who asked left before anybody decided."),
}


class Asking:
    """One attempt's part."""

    __slots__ = ("_approval", "_has_asked", "_on_waiting", "_patience", "_waits")

    def __init__(self, waits: Waits, on_waiting: OnWaiting | None, patience: float | None) -> None:
        self._waits, self._on_waiting, self._patience = waits, on_waiting, patience
        self._approval: Approval | None = None
        self._has_asked = False

    async def has_leave(self, receipt: Receipt, tool: OfferedTool, reason: str) -> bool:
        """Whether the call may go on now. False where it waited for that: everything about it must be looked at again.

        Raises `NotAllowed` where it may not, and `ApprovalPending`.
        """
        if receipt.call.leave_for == tool.digest:
            return True
        if self._approval is None or self._approval.status != Approval.Status.APPROVED:
            if receipt.call.approval is None and await asked(rows.stands, receipt.call, tool):
                return True
            await self._obtain(receipt, tool, reason)
            return False
        receipt.renew()
        if not await asked(rows.use, self._approval.pk, receipt, tool):
            raise NotAllowed("This approval was used already, has ended, or is of another definition of the tool.", code="approval_used")
        receipt.call.leave_for = tool.digest
        return True

    async def leave_off(self, call: Call) -> None:
        """The attempt is over: what it still waits for is withdrawn."""
        if self._has_asked:
            with suppress(Unavailable):  # its time ends by itself
                await asked(withdraw, call_id=call.id)

    async def _obtain(self, receipt: Receipt, tool: OfferedTool, reason: str) -> None:
        call = receipt.call
        self._has_asked = True
        waits_here = self._waits is Waits.HERE
        approval = await asked(rows.found_or_asked, receipt, tool, reason, takes_up=waits_here)
        if approval.status == Approval.Status.WAITING and waits_here:
            approval = await self._waited(approval)
        if approval.status == Approval.Status.WAITING:
            await asked(rows.put_down, approval)
            self._has_asked = False
            raise _pending(receipt, tool, approval)
        if approval.status != Approval.Status.APPROVED:
            raise _refusal(approval)
        self._approval, call.approval = approval, approval.pk
        if approval.decided_at is not None:
            receipt.waits_for((approval.decided_at - approval.created_at).total_seconds())
        if approval.was_edited and approval.arguments is not None:
            call.arguments = approval.arguments

    async def _waited(self, approval: Approval) -> Approval:
        until = approval.expires_at
        if self._patience is not None:
            until = min(until, timezone.now() + timedelta(seconds=self._patience))
        if self._on_waiting is not None:
            await self._on_waiting(approval.pk, until)
        decided = await wait(approval.pk, until)
        if decided.status == Approval.Status.WAITING and until == approval.expires_at:
            await asked(expire, approval_id=approval.pk)
            decided = await asked(Approval.objects.get, pk=approval.pk)  # it may have been decided in the last moment
        return decided


def _pending(receipt: Receipt, tool: OfferedTool, approval: Approval) -> ApprovalPending:
    return ApprovalPending(tool.server.name, tool.tool_name, receipt_id=receipt.id, approval_id=approval.pk, expires_at=approval.expires_at)


def _refusal(approval: Approval) -> AgentopiaError:
    if approval.status == Approval.Status.REFUSED:
        note = f": {approval.note}" if approval.note else "."
        return NotAllowed(f"The owner refused this call{note}", code="approval_refused")
    code, message = _ENDED.get(Approval.Status(approval.status), ("approval_used", "This approval was used already."))
    return NotAllowed(message, code=code)
