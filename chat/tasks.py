"""Celery tasks: one service each. `chat.perform_run` is the runner's, whose process alone loads what the models need."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.utils import timezone

from agentopia.lib import leases
from chat.models import Run
from chat.services import waiting
from chat.services.forgetting import forget_deltas
from chat.services.retention import forget_old_conversations

AT_ONCE = 500
ENGINE = "chat.running.engine"
QUEUE = "runs"


@shared_task(name=waiting.TASK)
def perform_run(run_id: str) -> None:
    """Carry out one run, as far as it gets now."""
    # Imported here: 120 MB and seconds, in a process that carries out runs.
    import_module(ENGINE).perform(UUID(run_id))


@shared_task(name="chat.dispatch_due_runs")
def dispatch_due_runs() -> None:
    """Hand over what is due: runs that the broker lost, of killed workers, and those whose approval was decided when nobody heard it."""
    waiting.queue_what_is_decided()
    due = Run.objects.filter(leases.due(timezone.now())).order_by("not_before")
    for run_id in due.values_list("pk", flat=True)[:AT_ONCE]:
        leases.hand_over(waiting.TASK, run_id)


@shared_task(name="chat.forget_deltas")
def forget_old_deltas() -> None:
    """Delete the pieces of texts of runs that ended a while ago."""
    forget_deltas()


@shared_task(name="chat.forget_old_conversations")
def forget_conversations() -> None:
    """Delete conversations that are older than their user keeps them."""
    forget_old_conversations()


@worker_ready.connect(dispatch_uid="chat.runs")
def make_ready(sender: Any, **_: Any) -> None:
    """The first run shall not wait for what it needs to be loaded."""
    if QUEUE in sender.app.amqp.queues.consume_from:
        Thread(target=lambda: import_module(ENGINE).prepared(), name="runs-ready", daemon=True).start()


@worker_shutting_down.connect(dispatch_uid="chat.runs")
def hand_back_runs(**_: Any) -> None:
    """The process ends: what it has not done goes to the next."""
    if ENGINE in sys.modules:
        import_module(ENGINE).close()
