"""The record of making and removing toolboxes: jobs are asked for, claimed, followed step by step and ended, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib import leases, live
from agentopia.lib.errors import Conflict, NotFound
from toolboxes.models import Job, JobStep, Toolbox, ToolboxEvent
from toolboxes.providers import provider_of
from toolboxes.providers.base import Step
from toolboxes.services import events

LEASE = timedelta(seconds=90)
"""Longer than any step takes in one go: its requests have limits of their own."""
PAUSES = (2, 4, 8, 15, 30, 60, 60, 120, 120, 300)  # seconds between tries while what a step needs does not answer
TASK = "toolboxes.carry_out_job"

before_removal: list[Callable[[Toolbox], None]] = []
"""What apps that keep things on toolboxes do when one is to be removed, in its transaction; they add themselves when they start."""


def steps_of(job: Job) -> tuple[Step, ...]:
    """What is to be done, in order."""
    provider = provider_of(job.toolbox)
    return provider.create_steps if job.kind == Job.Kind.CREATE else provider.remove_steps


def request_job(*, toolbox: Toolbox, kind: Job.Kind) -> Job:
    """Ask for a toolbox to be made or removed, within the caller's transaction; what was under way for it is superseded."""
    now = timezone.now()
    unfinished = toolbox.jobs.filter(leases.UNFINISHED)
    JobStep.objects.filter(job__in=unfinished, state=JobStep.State.RUNNING).update(state=JobStep.State.FAILED, finished_at=now)
    unfinished.update(status=Job.Status.SUPERSEDED, finished_at=now, lease_until=None)
    job = Job.objects.create(toolbox=toolbox, kind=kind, created_at=now, not_before=now)
    steps = steps_of(job)
    JobStep.objects.bulk_create(JobStep(job=job, position=number, name=step.name, label=step.label) for number, step in enumerate(steps))
    announce(toolbox)
    transaction.on_commit(lambda: hand_over(job.pk))
    return job


@transaction.atomic
def remove_toolbox(*, owner: User, toolbox_id: UUID) -> Job:
    """Remove a toolbox with all that was made for it; its history stays. Asked again while it goes on, it changes nothing.

    Raises `NotFound`.
    """
    toolbox = _locked(owner, toolbox_id)
    active = toolbox.jobs.filter(leases.UNFINISHED, kind=Job.Kind.REMOVE).first()
    if active is not None:
        return active
    for prepare in before_removal:
        prepare(toolbox)
    events.record(toolbox=toolbox, kind="removal", text="Its removal was asked for.")
    audit.record(action="toolbox.removal_asked", target=toolbox, owner=owner)
    return request_job(toolbox=toolbox, kind=Job.Kind.REMOVE)


@transaction.atomic
def retry_job(*, owner: User, toolbox_id: UUID) -> Job:
    """Do the newest job again, from its first step: what is there already is found. Raises `NotFound`, and `Conflict` unless it failed."""
    toolbox = _locked(owner, toolbox_id)
    newest = toolbox.jobs.first()
    if newest is None or newest.status != Job.Status.FAILED:
        raise Conflict("There is nothing to try again: the last attempt did not fail.", code="not_failed")
    audit.record(action="toolbox.tried_again", target=toolbox, owner=owner, summary=f"What failed: {newest.kind}")
    return request_job(toolbox=toolbox, kind=Job.Kind(newest.kind))


def _locked(owner: User, toolbox_id: UUID) -> Toolbox:
    toolbox = Toolbox.objects.select_for_update().filter(owner=owner, pk=toolbox_id, deleted_at=None).first()
    if toolbox is None:
        raise NotFound("You have no such toolbox.", code="toolbox_not_found")
    return toolbox


def claim_job(*, job_id: UUID) -> Job | None:
    """Take the work, for as long as the lease runs. None where somebody has it, or it is done or not due."""
    # Every claim counts as a failure until something came of it, so that a job which kills its workers ends too.
    if not leases.claim(Job.objects.filter(pk=job_id), LEASE, failures=F("failures") + 1):
        return None
    return Job.objects.select_related("toolbox").get(pk=job_id)


def renew_lease(*, job: Job) -> bool:
    """Keep the work. False where it is no longer ours."""
    return leases.renew(Job.objects.all(), job, LEASE)


@transaction.atomic
def begin_step(*, job: Job, name: str) -> JobStep:
    """Note that a step is under way; the first time counts."""
    begun = JobStep.objects.filter(job=job, name=name, started_at=None).update(state=JobStep.State.RUNNING, started_at=timezone.now())
    if begun:
        announce(job.toolbox)
    return JobStep.objects.get(job=job, name=name)


@transaction.atomic
def complete_step(*, job: Job, name: str, detail: str) -> None:
    """Note that a step is done, and with it that the job gets on."""
    job.failures = 1
    if not Job.objects.filter(leases.held(job)).update(failures=1, detail=""):
        return
    JobStep.objects.filter(job=job, name=name).update(state=JobStep.State.DONE, detail=detail[:500], finished_at=timezone.now())
    announce(job.toolbox)


@transaction.atomic
def wait_in_step(*, job: Job, name: str, seconds: float, detail: str) -> None:
    """Give the work back until something that it waits for may have happened. It got on, so no failure counts."""
    if leases.put_off(Job.objects.all(), job, seconds, failures=0, detail=""):
        changed = JobStep.objects.filter(job=job, name=name).exclude(detail=detail[:500]).update(detail=detail[:500])
        if changed:
            announce(job.toolbox)


@transaction.atomic
def defer_job(*, job: Job, problem: str, code: str) -> None:
    """Try again later, with growing pauses and some jitter; after the last pause it has failed, for the reason given."""
    pause = leases.pause(job.failures, PAUSES)
    if pause is None:
        finish_job(job=job, problem=f"{problem} It was tried {job.failures} times. Try again later.", code=code)
    elif leases.put_off(Job.objects.all(), job, pause, failures=job.failures, detail=f"{problem} Trying again."):
        announce(job.toolbox)


@transaction.atomic
def finish_job(*, job: Job, problem: str = "", code: str = "") -> None:
    """End it, once: with a problem it has failed, and whatever step was under way with it."""
    now = timezone.now()
    status = Job.Status.FAILED if problem else Job.Status.SUCCEEDED
    if not Job.objects.filter(leases.held(job)).update(status=status, detail=problem, code=code, finished_at=now, lease_until=None):
        return
    if problem:
        JobStep.objects.filter(job=job, state=JobStep.State.RUNNING).update(state=JobStep.State.FAILED, finished_at=now)
        what = "Making it" if job.kind == Job.Kind.CREATE else "Removing it"
        events.record(toolbox=job.toolbox, kind="job_failed", text=f"{what} failed: {problem}", severity=ToolboxEvent.Severity.ERROR)
    announce(job.toolbox)


def due_jobs(now: datetime) -> list[UUID]:
    """Work that nobody does: due and not handed over, or whose worker's lease ran out."""
    return list(Job.objects.filter(leases.due(now)).order_by("not_before").values_list("pk", flat=True)[:200])


def announce(toolbox: Toolbox) -> None:
    """Tell the toolbox's pages, on commit, to look again."""
    live.publish(live.toolbox_group(toolbox.pk), live.owner_group(toolbox.owner_id))


def hand_over(job_id: UUID) -> None:
    """Give it to a worker."""
    leases.hand_over(TASK, job_id)
