"""A double of DigitalOcean, an account with it, and the hands of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from tests.conftest import heartbeat_of
from toolboxes.models import CloudAccount, EnrolmentToken, Job, Toolbox
from toolboxes.services.accounts import add_account
from toolboxes.services.adding import add_toolbox
from toolboxes.services.enrolment import create_toolbox
from toolboxes.services.job_work import carry_out
from toolboxes.services.jobs import request_job

from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble  # isort: skip


@pytest.fixture
def double(settings: Settings) -> Iterator[DigitalOceanDouble]:
    """DigitalOcean, and a control plane that droplets could reach."""
    double = DigitalOceanDouble().start()
    settings.DIGITALOCEAN_API_URL = double.url
    settings.CONTROL_PLANE_ADDRESSES = ["198.51.100.4/32", "2001:db8::/64"]
    settings.PUBLIC_URL = "https://agentopia.example.org"
    settings.INTAKE_URL = "https://agentopia.example.org:9000"
    yield double
    double.stop()


@pytest.fixture
def account(user: User, double: DigitalOceanDouble) -> CloudAccount:
    """The user's account; what its test asked is forgotten."""
    account = add_account(owner=user, provider="digital_ocean", token=TOKEN)
    double.requests.clear()
    return account


@pytest.fixture
def order(user: User, account: CloudAccount) -> Callable[..., Toolbox]:
    """Orders a droplet, as the form does."""

    def place(**changes: str) -> Toolbox:
        data = {"name": "Big box", "account": str(account.pk), "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", **changes}
        return add_toolbox(owner=user, provider="digital_ocean", data=data)

    return place


@pytest.fixture
def pending(user: User) -> Toolbox:
    """A server of the user's own that has not run its command."""
    toolbox = create_toolbox(owner=user, name="Attic", provider=Toolbox.Provider.OWN_SERVER)
    request_job(toolbox=toolbox, kind=Job.Kind.CREATE)
    return toolbox


def newest(toolbox: Toolbox) -> Job:
    """The last job of a toolbox."""
    return toolbox.jobs.get(pk=toolbox.jobs.values_list("pk")[:1])


def work(toolbox: Toolbox) -> Job:
    """Let a worker get on with the newest job, as if its time had come."""
    Job.objects.filter(toolbox=toolbox, status="queued").update(not_before=timezone.now())
    carry_out(job_id=newest(toolbox).pk)
    return newest(toolbox)


def work_until(toolbox: Toolbox, condition: Callable[[Job], Any], seconds: float = 20) -> Job:
    """Work on the newest job until something holds."""
    end = time.monotonic() + seconds
    while True:
        job = work(toolbox)
        if condition(job):
            return job
        assert time.monotonic() < end, f"{job.status}: {job.detail} {steps(job)}"
        time.sleep(0.02)


def finished(job: Job) -> bool:
    return not job.is_active


def at(name: str) -> Callable[[Job], bool]:
    """Whether a step is under way."""
    return lambda job: steps(job)[name] == "running"


def steps(job: Job) -> dict[str, str]:
    """The state of each step."""
    return dict(job.steps.values_list("name", "state"))


def detail(job: Job, name: str) -> str:
    return job.steps.get(name=name).detail


def enrol_and_report(toolbox: Toolbox) -> None:
    """What the intake writes when DTMA enrols and reports."""
    now = timezone.now()
    EnrolmentToken.objects.filter(toolbox=toolbox, used_at=None, withdrawn_at=None).update(used_at=now)
    Toolbox.objects.filter(pk=toolbox.pk).update(
        url="https://203.0.113.7:7443", enrolled_at=now, last_seen_at=now, info=heartbeat_of().info.model_dump(mode="json")
    )


def age(job: Job, name: str, by: timedelta) -> None:
    """As if a step had begun earlier."""
    job.steps.filter(name=name).update(started_at=timezone.now() - by)
