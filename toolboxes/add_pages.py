"""What the pages show that add a toolbox, follow its making or removing, and keep cloud accounts: for a request and a WebSocket alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import User
from toolboxes import job_selectors
from toolboxes.models import Job, JobStep
from toolboxes.providers import PROVIDERS, provider_of
from toolboxes.providers.base import Missing, Provider

TITLES = {
    # (kind, is it over?): what the job is called
    (Job.Kind.CREATE, Job.Status.SUCCEEDED): "It is ready",
    (Job.Kind.CREATE, Job.Status.FAILED): "Making it failed",
    (Job.Kind.REMOVE, Job.Status.SUCCEEDED): "It was removed",
    (Job.Kind.REMOVE, Job.Status.FAILED): "Removing it failed",
}
GOING_ON = {Job.Kind.CREATE: "It is being made", Job.Kind.REMOVE: "It is being removed"}
STATES = {Job.Status.SUCCEEDED: "done", Job.Status.FAILED: "failed", Job.Status.SUPERSEDED: "stopped"}


@dataclass(frozen=True)
class ShownJob:
    """A job as pages show it: what it is called, the state that stands for it, and its steps, those to come as well."""

    job: Job
    title: str
    state: str
    steps: list[JobStep]

    @property
    def seconds(self) -> float | None:
        """From the wish to the end; None while it goes on."""
        ended = self.job.finished_at
        return (ended - self.job.created_at).total_seconds() if ended else None


def shown_job(job: Job) -> ShownJob:
    """Reads the job's steps, which are best prefetched."""
    kind, status = Job.Kind(job.kind), Job.Status(job.status)
    return ShownJob(job, TITLES.get((kind, status), GOING_ON[kind]), STATES.get(status, "preparing"), list(job.steps.all()))


@dataclass(frozen=True)
class Choice:
    """A provider on the page where one is chosen."""

    provider: Provider
    missing: Missing | None


def choose(user: User) -> dict[str, Any]:
    """All providers, those first that can be used now."""
    choices = [Choice(provider, provider.missing(user)) for provider in PROVIDERS.values()]
    return {"choices": sorted(choices, key=lambda choice: choice.missing is not None and not choice.missing.url)}


def setup(user: User, toolbox_id: UUID) -> dict[str, Any]:
    """The making, or the removing, of one toolbox. Raises `NotFound`."""
    toolbox = job_selectors.toolbox_or_removed_for(user, toolbox_id)
    job = job_selectors.newest_job_of(toolbox)
    provider = provider_of(toolbox)
    waits = job is not None and job.is_active and job.kind == Job.Kind.CREATE and toolbox.enrolled_at is None
    token = toolbox.enrolment_tokens.first()
    return {
        "toolbox": toolbox,
        "provider": provider,
        "facts": provider.facts(toolbox),
        "removal": provider.removal(toolbox),
        "shown": shown_job(job) if job else None,
        "wants_command": waits and provider.needs_command,
        "token": token if token is not None and token.is_open() else None,
    }


def accounts(user: User) -> dict[str, Any]:
    """The user's cloud accounts, and what kinds there can be."""
    kinds = [provider for provider in PROVIDERS.values() if provider.accounts is not None]
    return {"accounts": [(account, PROVIDERS[account.provider]) for account in job_selectors.cloud_accounts_for(user)], "kinds": kinds}
