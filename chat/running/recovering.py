"""What became of a call whose worker died in the middle: its receipt knows, as far as anybody does."""

from __future__ import annotations

from enum import StrEnum

from agents.models import Approval, ToolCall
from chat.models import Step

Status = ToolCall.Status


class Found(StrEnum):
    """Where there is no outcome to be used."""

    MAKE = "make"
    """It was not made, or making it again does no harm."""
    UNKNOWN = "unknown"


def find_out(step: Step, repeatable: bool) -> Found | ToolCall:
    """What to do about a step that was running; a receipt where the call has ended in a way that is known.

    The receipt is written before the toolbox is asked: where there is none, the call was not made.
    """
    receipt = ToolCall.objects.filter(pk=step.receipt_id).first() if step.receipt_id else None
    if receipt is None or receipt.status == Status.REFUSED:
        return Found.MAKE
    if receipt.status == Status.WAITING:
        # It asked for approval in its last moment; whoever makes the same call finds that.
        approval = Approval.objects.filter(call=receipt).first()
        step.approval_id = approval.pk if approval else None
        return Found.MAKE
    if receipt.status in (Status.SUCCEEDED, Status.TOOL_ERROR):
        return receipt
    if receipt.status == Status.FAILED and receipt.error_code != "interrupted":
        return receipt
    if not repeatable:
        return Found.UNKNOWN
    step.approval_id = None  # it was used
    return Found.MAKE
