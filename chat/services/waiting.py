"""Runs that wait for a person: nobody holds them, and a decision queues them again."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from agentopia.lib import leases
from agents.models import Approval
from chat.models import Run, Step

TASK = "chat.perform_run"


def approval_decided(approval_id: UUID) -> None:
    """Queue the run whose call waited for this approval; none did, mostly."""
    of_run = Step.objects.filter(approval_id=approval_id, status=Step.Status.APPROVAL)
    for run_id in of_run.values_list("run", flat=True):
        queue(Run.objects.filter(pk=run_id))


def queue_what_is_decided(run_id: UUID | None = None) -> int:
    """Queue the runs that wait for a decision that was made; of all, where none is named. Returns how many."""
    undecided = Approval.objects.filter(pk=OuterRef("approval_id"), status=Approval.Status.WAITING, expires_at__gt=timezone.now())
    decided = Step.objects.filter(run=OuterRef("pk"), status=Step.Status.APPROVAL).filter(~Exists(undecided))
    runs = Run.objects.filter(Exists(decided))
    return queue(runs if run_id is None else runs.filter(pk=run_id))


def queue(runs: QuerySet[Run]) -> int:
    """Queue those of these that wait; returns how many."""
    queued = 0
    for run_id in runs.filter(status=Run.Status.WAITING).values_list("pk", flat=True):
        with transaction.atomic():
            if Run.objects.filter(pk=run_id, status=Run.Status.WAITING).update(status=Run.Status.QUEUED, not_before=timezone.now()):
                queued += 1
                transaction.on_commit(partial(leases.hand_over, TASK, run_id))
    return queued
