"""What was decided of a call that waits for its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agents.models import Approval
from chat.models import Step

Status = Approval.Status
_OVER = {
    Status.EXPIRED: ("approval_expired", "Nobody decided in time whether it may be called."),
    Status.WITHDRAWN: ("approval_withdrawn", "The request to allow this call was withdrawn."),
}


@dataclass(frozen=True)
class Decision:
    """``refusal`` is a sentence for the model, empty where the call may be made; ``edited`` are the arguments, where they were changed."""

    waits: bool = False
    code: str = ""
    refusal: str = ""
    edited: dict[str, Any] | None = None


def decision_on(step: Step) -> Decision:
    """It counts whatever the agent's grant says by now."""
    approval = Approval.objects.filter(pk=step.approval_id).first() if step.approval_id else None
    if approval is None:
        return Decision(code="approval_not_found", refusal="The request to allow this call is not kept any more.")
    if approval.status == Status.REFUSED:
        note = f": {approval.note}" if approval.note else "."
        return Decision(code="approval_refused", refusal=f"The owner refused this call{note}")
    if approval.status == Status.APPROVED:
        return Decision(edited=approval.arguments if approval.was_edited else None)
    if approval.status == Status.WAITING and approval.expires_at > timezone.now():
        return Decision(waits=True)
    code, sentence = _OVER.get(Status(approval.status), _OVER[Status.EXPIRED])
    return Decision(code=code, refusal=sentence)
