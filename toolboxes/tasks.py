"""Celery tasks: parse an id, call one service."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from toolboxes.services import jobs, machines, metrics
from toolboxes.services.job_work import carry_out
from toolboxes.services.retention import forget_old
from toolboxes.services.silence import note_silence as note_all_silence


@shared_task(name=jobs.TASK)
def carry_out_job(job_id: str) -> None:
    """Get on with one job."""
    carry_out(job_id=UUID(job_id))


@shared_task(name="toolboxes.dispatch_due_jobs")
def dispatch_due_jobs() -> None:
    """Hand over what is due: steps that wait for something, work of a killed worker, work that the broker lost."""
    for job_id in jobs.due_jobs(timezone.now()):
        jobs.hand_over(job_id)


@shared_task(name="toolboxes.look_after_machines")
def look_after_machines() -> None:
    """Notice machines that disappeared at their providers."""
    machines.look_after_all()


@shared_task(name="toolboxes.note_silence")
def note_silence() -> None:
    """Write down which toolboxes fell silent, and tell pages."""
    note_all_silence(now=timezone.now())


@shared_task(name="toolboxes.roll_up_metrics")
def roll_up_metrics() -> None:
    """Make the coarser figures of what has passed."""
    metrics.roll_up(now=timezone.now())


@shared_task(name="toolboxes.forget_old")
def forget() -> None:
    """Delete what is too old to be kept."""
    forget_old(now=timezone.now())
