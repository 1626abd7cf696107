"""A run that goes on from one of another run's calls: it takes over all that came before, as if it had done that itself."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Max

from agentopia.lib.errors import Conflict
from chat.models import Run, RunEvent, Step

LEFT_OUT = ("run.started", "run.resumed", "run.waiting", "run.ended", "text.delta", "thinking.delta", "tool.progress", "usage")
OF_STEP = ("tool.approval", "tool.running", "tool.ended", "question.asked", "question.closed")


def rewound(old: Run, new: Run, step: Step, arguments: dict[str, Any]) -> None:
    """Let ``new`` stand where ``old`` was before it made the call of ``step``, with these arguments in the model's place.

    Raises `Conflict` where nothing is known of that moment any more.
    """
    new.messages = _messages(old, step, arguments)
    new.save(update_fields=("messages",))
    ids: dict[str, str] = {}
    for row in old.steps.filter(round__lte=step.round):
        ids[str(row.pk)] = str(_copied(row, new, arguments if row.pk == step.pk else None))
    _copy_events(old, new, step, ids)


def _messages(old: Run, step: Step, arguments: dict[str, Any]) -> list[Any]:
    """The messages to the answer that asked for the call, as pydantic-ai writes them."""
    messages: list[Any] = []
    rounds = 0
    for message in copy.deepcopy(old.messages):
        messages.append(message)
        if message.get("kind") != "response":
            continue
        rounds += 1
        if rounds == step.round:
            for part in message.get("parts", ()):
                if part.get("part_kind") == "tool-call" and part.get("tool_call_id") == step.tool_call_id:
                    part["args"] = _in_place_of(part, step, arguments)
                    return messages
    raise Conflict("What the agent had done until this call is not kept any more: ask again instead.", code="step_too_old")


def _in_place_of(part: dict[str, Any], step: Step, arguments: dict[str, Any]) -> dict[str, Any]:
    """A tool that was called through another one is again."""
    if part.get("tool_name") == step.name or not step.tool_name:
        return arguments
    return {"name": step.name, "arguments": arguments}


def _copied(row: Step, new: Run, arguments: dict[str, Any] | None) -> UUID:
    """A step of the new run: as it ended, or, with arguments, to be done."""
    made = copy.copy(row)
    made.pk, made.run, made._state = uuid4(), new, copy.copy(row._state)  # noqa: SLF001 (Django's documented way to copy a row)
    made._state.adding = True  # noqa: SLF001
    if arguments is not None or row.status not in Step.ENDED:
        made.status, made.result, made.error_code, made.error_message = Step.Status.PENDING, None, "", ""
        made.receipt_id = made.approval_id = made.progress = made.started_at = made.ended_at = None
        made.tries, made.is_cut = 0, False
        made.arguments = arguments if arguments is not None else made.arguments
    made.save(force_insert=True)
    return made.pk


def _copy_events(old: Run, new: Run, step: Step, ids: dict[str, str]) -> None:
    """What pages show of that time: to the answer that asked for the call, and how the other calls of that round ended."""
    called = old.events.filter(kind="tool.called", data__round=step.round)
    last = called.aggregate(last=Max("seq"))["last"] or 0
    rows: list[RunEvent] = []
    for event in old.events.exclude(kind__in=LEFT_OUT).order_by("seq"):
        of = event.data.get("step")
        if event.seq > last and (event.kind not in OF_STEP or of not in ids):
            continue
        if of == str(step.pk) and event.kind != "tool.called":
            continue
        data = {**event.data, "step": ids[of]} if of in ids else event.data
        rows.append(RunEvent(run=new, seq=len(rows) + 1, kind=event.kind, data=data))
    RunEvent.objects.bulk_create(rows)
