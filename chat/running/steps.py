"""The rows of tool calls: made when the model asks for them, changed as they go on, by who holds the run (`RunEvents.commit`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from agents.models import ToolCall
from agents.receipts import Masker
from agents.toolsets.types import OfferedTool
from chat.models import Run, Step
from chat.running.storable import storable
from mcp_registry.models import McpServer

LONGEST_NAME = 200
MOST_SHOWN = 32_000
"""Bytes of arguments in an event."""


def of_round(run: Run, number: int) -> dict[str, Step]:
    """The steps of one round, by the ids that the model gave the calls."""
    return {step.tool_call_id: step for step in run.steps.filter(round=number)}


def new_steps(run: Run, number: int, calls: list[tuple[str, str, Any]], tools: Mapping[str, OfferedTool]) -> list[Step]:
    """Steps for the calls of one round, ``(id, name, arguments)`` each, that are not made rows yet. They are not saved here."""
    last = run.steps.aggregate(last=Max("number"))["last"] or 0
    steps: list[Step] = []
    for place, (call_id, name, arguments) in enumerate(calls, last + 1):
        step = Step(run_id=run.pk, number=place, round=number, tool_call_id=call_id, name=storable(name)[:LONGEST_NAME])
        describe(step, tools.get(name), arguments)
        steps.append(step)
    return steps


def describe(step: Step, tool: OfferedTool | None, arguments: Any) -> None:
    """Say what is called with what: secrets masked, long values cut."""
    shown = arguments if isinstance(arguments, dict) else {"text": arguments} if arguments else {}
    masker = Masker(tool.server.secrets if tool else ())
    step.arguments = json.loads(masker.arguments(storable(shown), tool.input_schema if tool else None))
    if tool is not None:
        step.server_id, step.server_name, step.tool_name = tool.server.id, tool.server.name, tool.tool_name


def called(step: Step, tool: OfferedTool | None) -> tuple[str, dict[str, Any]]:
    """The event that tells of a new step."""
    definition = tool.definition if tool else {}
    annotations = definition.get("annotations")
    hints = annotations if isinstance(annotations, dict) else {}
    arguments = step.arguments if len(json.dumps(step.arguments)) <= MOST_SHOWN else {"cut": True}
    return "tool.called", {
        "step": str(step.pk), "number": step.number, "round": step.round, "name": step.name, "server": step.server_name,
        "tool": step.tool_name, "title": str(definition.get("title") or hints.get("title") or step.tool_name or step.name),
        "arguments": arguments, "annotations": hints,
    }  # fmt: skip


def ended(step: Step, receipt: ToolCall | None) -> tuple[str, dict[str, Any]]:
    """The event that tells how it ended."""
    took = (step.ended_at - step.started_at).total_seconds() * 1000 if step.ended_at and step.started_at else None
    cost = {"cpu_seconds": receipt.cpu_seconds, "peak_memory_bytes": receipt.peak_memory_bytes} if receipt else {}
    return "tool.ended", {
        "step": str(step.pk), "status": step.status, "error_code": step.error_code, "error_message": step.error_message,
        "ms": None if took is None else round(took, 1), "receipt": str(step.receipt_id) if step.receipt_id else None, "cost": cost,
    }  # fmt: skip


def save(step: Step) -> None:
    """Write it as it is; a server that was deleted meanwhile is not named."""
    if step.server_id is not None and not McpServer.objects.filter(pk=step.server_id).exists():
        step.server_id = None
    step.save()


def end(step: Step, status: Step.Status, code: str = "", message: str = "") -> None:
    """How it ended; not saved here."""
    step.status, step.error_code, step.error_message = status, code[:40], storable(message)
    step.ended_at = timezone.now()
    step.started_at = step.started_at or step.ended_at


def receipt_of(receipt_id: UUID | None) -> ToolCall | None:
    """The receipt of a call, as far as it is written."""
    return ToolCall.objects.filter(pk=receipt_id).first() if receipt_id else None


def close_open(run: Run, status: Step.Status, code: str, message: str) -> None:
    """End all steps of a run that goes on no more."""
    now = timezone.now()
    unfinished = run.steps.exclude(status__in=Step.ENDED)
    unfinished.update(status=status, error_code=code, error_message=message, ended_at=now)
