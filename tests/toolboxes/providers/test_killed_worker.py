"""A worker killed with SIGKILL in each step: another goes on, nothing is made twice, nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.doubles.digitalocean.server import DigitalOceanDouble
from tests.toolboxes.providers.conftest import at, enrol_and_report, finished, newest, work, work_until
from tests.toolboxes.providers.worker import kill, start_worker
from toolboxes.models import Job, Machine, Toolbox
from toolboxes.services.jobs import due_jobs, remove_toolbox

pytestmark = pytest.mark.django_db(transaction=True)
Order = Callable[..., Toolbox]

CREATING = [
    ("POST", "/v2/tags", 1, "after"),
    ("GET", "/v2/firewalls", 0, "after"),
    ("POST", "/v2/firewalls", 0, "before"),
    ("POST", "/v2/firewalls", 0, "after"),
    ("GET", "/v2/droplets", 0, "after"),
    ("POST", "/v2/droplets", 0, "before"),
    ("POST", "/v2/droplets", 0, "after"),
    ("GET", "/v2/droplets", 1, "after"),
]
REMOVING = [
    # how often a worker gets on with it before, and in which request the next one is killed
    (0, "GET", "/v2/droplets", "after"),
    (0, "DELETE", r"/v2/droplets/\d+", "before"),
    (0, "DELETE", r"/v2/droplets/\d+", "after"),
    (1, "DELETE", "/v2/firewalls/.*", "after"),
    (1, "DELETE", "/v2/tags/.*", "after"),
]


def killed_in(job: Job, double: DigitalOceanDouble, method: str, path: str, skip: int, when: str) -> None:
    """Kill a worker while DigitalOcean holds its request, before or after the work of it is done; its lease then runs out."""
    fault = double.misbehave(method, path, hold=when, skip=skip)
    worker = start_worker(job.pk)
    assert fault.reached.wait(30), worker.poll()
    kill(worker)
    fault.release()
    assert job.pk not in due_jobs(timezone.now()), "until its lease has run out, the work is its own"
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert job.pk in due_jobs(timezone.now())


@pytest.mark.parametrize(("method", "path", "skip", "when"), CREATING)
def test_while_it_is_made(order: Order, double: DigitalOceanDouble, method: str, path: str, skip: int, when: str) -> None:
    toolbox = order()
    killed_in(newest(toolbox), double, method, path, skip, when)
    work_until(toolbox, at("enrolled"))
    enrol_and_report(toolbox)
    assert work_until(toolbox, finished).status == "succeeded"
    assert double.cloud.ever_created == 1
    assert len(double.cloud.firewalls) == 1
    assert Machine.objects.get().reference in [str(number) for number in double.cloud.droplets]


@pytest.mark.parametrize(("before", "method", "path", "when"), REMOVING)
def test_while_it_is_removed(order: Order, double: DigitalOceanDouble, before: int, method: str, path: str, when: str) -> None:
    toolbox = order()
    work_until(toolbox, at("enrolled"))
    job = remove_toolbox(owner=toolbox.owner, toolbox_id=toolbox.pk)
    for _ in range(before):
        work(toolbox)
    Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
    killed_in(job, double, method, path, 0, when)
    assert work_until(toolbox, finished).status == "succeeded"
    assert (double.cloud.droplets, double.cloud.firewalls, double.cloud.tags) == ({}, {}, {"agentopia"})


def test_removed_while_the_order_is_on_its_way(order: Order, double: DigitalOceanDouble) -> None:
    """The worker is killed, the droplet comes later all the same, and is destroyed."""
    toolbox = order()
    fault = double.misbehave("POST", "/v2/droplets", hold="before")
    worker = start_worker(newest(toolbox).pk)
    assert fault.reached.wait(30)
    kill(worker)
    remove_toolbox(owner=toolbox.owner, toolbox_id=toolbox.pk)
    work_until(toolbox, at("destroyed"))
    fault.release()
    assert double.cloud.ever_created in (0, 1)
    Machine.objects.filter(pk=toolbox.pk).update(sent_at=timezone.now() - timedelta(seconds=61))
    assert work_until(toolbox, finished).status == "succeeded"
    assert (double.cloud.ever_created, double.cloud.droplets) == (1, {})


def test_a_job_that_kills_its_workers_ends(order: Order) -> None:
    toolbox = order()
    Job.objects.update(failures=12)
    job = work_until(toolbox, finished)
    assert (job.status, job.code) == ("failed", "interrupted")
