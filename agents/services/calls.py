"""What becomes of receipts in the course of time."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from agents.models import CallPolicy, ToolCall

KEEP_DAYS = 90
"""Where a user says nothing else."""
AT_ONCE = 2000


def close_interrupted_calls() -> int:
    """End the receipts of calls whose process died before it could; returns how many."""
    now = timezone.now()
    return ToolCall.objects.filter(status=ToolCall.Status.RUNNING, deadline__lt=now).update(
        status=ToolCall.Status.FAILED,
        error_code="interrupted",
        error_message="The control plane was stopped during the call; whether the tool did its work is not known.",
        ended_at=F("deadline"),
    )


def forget_old_calls(now: datetime | None = None) -> int:
    """Delete the receipts that are older than their user keeps them, some at a time; returns how many."""
    now = now or timezone.now()
    others = ToolCall.objects.filter(~Exists(CallPolicy.objects.filter(user=OuterRef("user"))))
    deleted = _delete(others.filter(created_at__lt=now - timedelta(days=KEEP_DAYS)))
    for policy in CallPolicy.objects.all():
        deleted += _delete(ToolCall.objects.filter(user=policy.user_id, created_at__lt=now - timedelta(days=policy.keep_days)))
    return deleted


def _delete(calls: QuerySet[ToolCall]) -> int:
    deleted = 0
    while ids := list(calls.order_by("created_at").values_list("pk", flat=True)[:AT_ONCE]):
        deleted += ToolCall.objects.filter(pk__in=ids).delete()[1].get("agents.ToolCall", 0)
    return deleted
