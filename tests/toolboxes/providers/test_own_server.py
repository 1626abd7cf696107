"""A server of one's own: from the command to the first heartbeat, and its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from tests.toolboxes.providers.conftest import age, at, detail, enrol_and_report, finished, newest, steps, work, work_until
from toolboxes.models import EnrolmentToken, Job, Toolbox
from toolboxes.services.adding import add_toolbox
from toolboxes.services.enrolment import new_token
from toolboxes.services.jobs import claim_job, remove_toolbox, retry_job

pytestmark = pytest.mark.django_db


def test_from_the_command_to_the_first_heartbeat(pending: Toolbox) -> None:
    assert detail(work_until(pending, at("command")), "command") == "Make the install command"
    new_token(toolbox=pending)
    assert detail(work(pending), "command") == "Run the install command on the server"
    EnrolmentToken.objects.update(used_at=timezone.now())
    assert steps(work(pending)) == {"command": "done", "enrolled": "running", "heartbeat": "waiting"}
    enrol_and_report(pending)
    Toolbox.objects.update(last_seen_at=None)
    assert steps(work(pending))["heartbeat"] == "running"
    Toolbox.objects.update(last_seen_at=timezone.now())
    job = work(pending)
    assert (job.status, detail(job, "heartbeat")) == ("succeeded", "DTMA 0.1.0 on box")


def test_a_heartbeat_of_before_does_not_count(pending: Toolbox) -> None:
    enrol_and_report(pending)
    Toolbox.objects.update(last_seen_at=timezone.now() - timedelta(minutes=1))
    assert steps(work(pending))["heartbeat"] == "running"


def test_an_expired_command_is_said_and_renewed(pending: Toolbox) -> None:
    new_token(toolbox=pending)
    EnrolmentToken.objects.update(expires_at=timezone.now())
    assert detail(work(pending), "command") == "The install command has expired: make a new one"
    new_token(toolbox=pending)
    assert detail(work(pending), "command") == "Run the install command on the server"


def test_a_command_that_is_never_run(pending: Toolbox) -> None:
    age(work_until(pending, at("command")), "command", timedelta(days=8))
    job = work(pending)
    assert (job.status, job.code) == ("failed", "too_long")
    retry_job(owner=pending.owner, toolbox_id=pending.pk)
    assert newest(pending).is_active


def test_a_worker_that_dies_in_any_step_loses_nothing(pending: Toolbox) -> None:
    for act in (lambda: new_token(toolbox=pending), lambda: enrol_and_report(pending)):
        job = newest(pending)
        Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
        assert claim_job(job_id=job.pk) is not None
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        work(pending)
        act()
    assert work_until(pending, finished).status == "succeeded"


def test_removed_before_it_ever_enrolled(pending: Toolbox) -> None:
    made = new_token(toolbox=pending)
    remove_toolbox(owner=pending.owner, toolbox_id=pending.pk)
    assert work_until(pending, finished).status == "succeeded"
    pending.refresh_from_db()
    assert pending.deleted_at is not None
    token = EnrolmentToken.objects.get(digest=EnrolmentToken.digest_of(made.token))
    assert not token.is_open(), "its command counts no more"


def test_only_what_failed_is_tried_again(pending: Toolbox) -> None:
    with pytest.raises(Conflict):
        retry_job(owner=pending.owner, toolbox_id=pending.pk)


def test_a_name_is_needed_and_is_ones_own(user: User, pending: Toolbox) -> None:
    with pytest.raises(InvalidInput) as problem:
        add_toolbox(owner=user, provider="own_server", data={"name": "-"})
    assert set(problem.value.fields) == {"name"}
    with pytest.raises(Conflict):
        add_toolbox(owner=user, provider="own_server", data={"name": "attic"})


def test_this_machine_is_added_by_make_run_alone(user: User, browser: Client) -> None:
    with pytest.raises(Conflict):
        add_toolbox(owner=user, provider="this_machine", data={"name": "here"})
    assert "cannot be added here" in browser.get(reverse("toolboxes:add")).content.decode()
