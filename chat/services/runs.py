"""Runs are stopped by their users."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from agents.approvals import withdraw
from chat.live import announce_stop, publish_change, record
from chat.models import Question, Run, Step
from chat.selectors import run_for

CODE, SENTENCE = "stopped", "You stopped the run."


@transaction.atomic
def stop_run(*, user: User, run_id: UUID | str) -> None:
    """Stop a run, wherever it is. One that a worker has is stopped by that, within a moment; one that has ended stays as it is.

    Raises `NotFound`.
    """
    run = Run.objects.select_for_update(of=("self",)).select_related("conversation__owner").get(pk=run_for(user, run_id).pk)
    if run.status in Run.ENDED:
        return
    now = timezone.now()
    if run.cancel_requested_at is None:
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=now)
    if run.status == Run.Status.RUNNING and run.lease_until is not None and run.lease_until > now:
        announce_stop(run.pk)
        return
    _end(run)


def _end(run: Run) -> None:
    """Nobody has it: it ends here."""
    now = timezone.now()
    for step in run.steps.exclude(status__in=Step.ENDED):
        if step.status == Step.Status.APPROVAL and step.receipt_id is not None:
            withdraw(call_id=step.receipt_id)
    steps = run.steps.exclude(status__in=Step.ENDED)
    closed = [(step_id, "tool.ended") for step_id in steps.values_list("pk", flat=True)]
    steps.update(status=Step.Status.CANCELLED, error_code="cancelled", error_message="The run was stopped.", ended_at=now)
    Question.objects.filter(step__run=run, status=Question.Status.WAITING).update(status=Question.Status.CANCELLED)
    Run.objects.filter(pk=run.pk).update(
        status=Run.Status.CANCELLED, error_code=CODE, error_message=SENTENCE, ended_at=now, lease_until=None
    )
    about: dict[str, Any] = {
        "status": "cancelled",
        "error_code": "cancelled",
        "error_message": "The run was stopped.",
        "ms": None,
        "receipt": None,
        "cost": {},
    }
    told = [(kind, {"step": str(step_id), **about}) for step_id, kind in closed]
    record(run, *told, ("run.ended", {"status": Run.Status.CANCELLED.value, "error_code": CODE, "error_message": SENTENCE}))
    publish_change(run)
