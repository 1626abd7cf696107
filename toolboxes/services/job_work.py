"""Carrying out a job: its steps in order, from the first that is not done.

Safe to run twice, and to be killed anywhere: the claim lets one worker in, every step is idempotent, and what was not recorded is
found out again by the step itself.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from agentopia.lib.errors import AgentopiaError
from toolboxes.models import Job, JobStep, Toolbox
from toolboxes.providers.base import Done, Step, TryLater, Wait
from toolboxes.services.jobs import (
    PAUSES,
    begin_step,
    claim_job,
    complete_step,
    defer_job,
    finish_job,
    renew_lease,
    steps_of,
    wait_in_step,
)


def carry_out(*, job_id: UUID) -> None:
    """Claim a job and get on with it as far as it goes now; does nothing where another worker has it."""
    job = claim_job(job_id=job_id)
    if job is None:
        return
    if job.failures > len(PAUSES) + 1:
        finish_job(job=job, problem="Its worker was interrupted again and again. Try again later.", code="interrupted")
        return
    done = set(JobStep.objects.filter(job=job, state=JobStep.State.DONE).values_list("name", flat=True))
    for step in steps_of(job):
        if step.name not in done and not _carry_out_step(job, step):
            return
    finish_job(job=job)


def _carry_out_step(job: Job, step: Step) -> bool:
    """Whether the next step can follow at once; else the job was put off, or has ended."""
    if not renew_lease(job=job):
        return False
    begun = begin_step(job=job, name=step.name).started_at
    waited = timezone.now() - begun if begun else timedelta()
    try:
        outcome = step.run(Toolbox.objects.get(pk=job.toolbox_id), waited)
    except TryLater as limit:
        outcome = Wait(limit.seconds, f"{limit.message} Going on in {limit.seconds:.0f} s.")
    except AgentopiaError as error:
        if error.retryable:
            defer_job(job=job, problem=error.message, code=error.code)
        else:
            finish_job(job=job, problem=error.message, code=error.code)
        return False
    if isinstance(outcome, Done):
        complete_step(job=job, name=step.name, detail=outcome.detail)
        return True
    if waited > step.limit:
        finish_job(job=job, problem=step.too_long, code="too_long")
    else:
        wait_in_step(job=job, name=step.name, seconds=outcome.seconds, detail=outcome.detail)
    return False
