"""How the work on a run leaves off: the run ends, with a sentence, or is put down for a person or for another worker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from agentopia.lib import leases
from agents.approvals import withdraw
from chat.live import publish_change
from chat.models import Question, Run, Step
from chat.running import steps
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.events import Event, LostLease, RunEvents
from chat.running.keeping import stored, text_of
from chat.services.runs import CODE, SENTENCE
from chat.services.waiting import queue_what_is_decided

logger = logging.getLogger(__name__)

Status = Run.Status
STOPPED = (CODE, SENTENCE)
_OPEN_STEPS = {
    Status.CANCELLED: (Step.Status.CANCELLED, "cancelled", "The run was stopped."),
    Status.FAILED: (Step.Status.CANCELLED, "cancelled", "The run ended before this was done."),
    Status.SUCCEEDED: (Step.Status.CANCELLED, "cancelled", "The run ended before this was done."),
}


async def end(events: RunEvents, doing: Doing | None, status: Run.Status, answer: str, code: str = "", message: str = "") -> None:
    """The run is over. Raises `LostLease` where it is another worker's."""
    run = events.run
    messages = {"messages": stored(doing.messages)} if doing is not None else {}
    text = answer or ((doing.cut_off or text_of(doing.messages)) if doing is not None else "")
    fields = {"status": status, "answer": text, "error_code": code[:40], "error_message": message, "ended_at": timezone.now(), **messages}
    await events.commit(partial(_end, run, fields))


def _end(run: Run, fields: dict[str, Any]) -> Sequence[Event]:
    closed = _close_steps(run, fields["status"])
    Run.objects.filter(pk=run.pk).update(lease_until=None, **fields)
    publish_change(run)
    about = {"status": fields["status"], "error_code": fields["error_code"], "error_message": fields["error_message"]}
    return [*closed, ("run.ended", about)]


def _close_steps(run: Run, status: Run.Status) -> list[Event]:
    open_ = list(run.steps.exclude(status__in=Step.ENDED))
    told: list[Event] = []
    for step in open_:
        if step.receipt_id is not None and step.status == Step.Status.APPROVAL:
            withdraw(call_id=step.receipt_id)
        steps.end(step, *_OPEN_STEPS[status])
        steps.save(step)
        told.append(steps.ended(step, None))
    for question in Question.objects.filter(step__run=run, status=Question.Status.WAITING):
        Question.objects.filter(pk=question.pk).update(status=Question.Status.CANCELLED, answer=None)
        told.append(("question.closed", {"question": str(question.pk), "status": Question.Status.CANCELLED}))
    return told


async def park(doing: Doing) -> None:
    """Put it down until a person has decided. Raises `LostLease`."""
    run = doing.run

    def change() -> None:
        Run.objects.filter(pk=run.pk).update(status=Status.WAITING, lease_until=None, messages=stored(doing.messages))
        publish_change(run)

    await doing.events.commit(change, ("run.waiting", {}))
    # A decision that was made before the row said that the run waits has queued nothing.
    await in_database(queue_what_is_decided, run.pk)


def hand_back(run: Run, seconds: float) -> None:
    """Another worker, or this one later, goes on with it."""
    with transaction.atomic():
        if leases.put_off(Run.objects.all(), run, seconds):
            transaction.on_commit(partial(leases.hand_over, "chat.perform_run", run.pk))


__all__ = ["STOPPED", "LostLease", "end", "hand_back", "park"]
