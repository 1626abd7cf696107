"""What is said of a toolbox, from what is known of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from tests.toolboxes.pages.conftest import GB, Make, info
from toolboxes.models import Certificate, Job, Toolbox
from toolboxes.selectors import described_toolbox_for
from toolboxes.services.jobs import begin_step, claim_job, finish_job, request_job, wait_in_step
from toolboxes.status import State, ToolboxStatus, status_of

SENTENCES = {
    "pending": "No machine has become this toolbox yet.",
    "online": "",
    "unresponsive": "It has missed three heartbeats",
    "no_engine": "Its container engine does not answer: Cannot connect to the Docker daemon.",
    "revoked": "Its certificates were revoked",
    "removing": "It is being removed.",
    "removed": "It was removed.",
}


def status(user: User, toolbox: Toolbox) -> ToolboxStatus:
    return status_of(described_toolbox_for(user, toolbox.pk, removed=True))


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_sentence(user: User, make: Make, state: State) -> None:
    said = status(user, make(state=state))
    assert said.state is state
    assert said.reason.startswith(SENTENCES[state])
    assert bool(said.reason) == bool(SENTENCES[state])


def test_an_unresponsive_one_says_since_when(user: User, make: Make) -> None:
    toolbox = make(state="unresponsive")
    assert status(user, toolbox).since == toolbox.last_seen_at


def test_a_host_that_has_just_enrolled_is_awaited_and_then_unresponsive(user: User, make: Make) -> None:
    toolbox = make(last_seen_at=None, enrolled_at=timezone.now())
    assert status(user, toolbox).reason == "Its host has enrolled; its first heartbeat is awaited."
    Toolbox.objects.filter(pk=toolbox.pk).update(enrolled_at=timezone.now() - timedelta(minutes=5))
    assert status(user, toolbox).state is State.UNRESPONSIVE


def test_one_in_the_making_says_what_it_is_at(user: User, make: Make) -> None:
    toolbox = make(state="pending")
    job = request_job(toolbox=toolbox, kind=Job.Kind.CREATE)
    claimed = claim_job(job_id=job.pk)
    assert claimed is not None
    begin_step(job=claimed, name="command")
    wait_in_step(job=claimed, name="command", seconds=1, detail="Run the install command on the server")
    assert status(user, toolbox).reason == "Install command: Run the install command on the server"


@pytest.mark.parametrize(("kind", "state"), [(Job.Kind.CREATE, "pending"), (Job.Kind.REMOVE, "online")])
def test_a_job_that_failed_is_told(user: User, make: Make, kind: Job.Kind, state: str) -> None:
    toolbox = make(state=state)
    claimed = claim_job(job_id=request_job(toolbox=toolbox, kind=kind).pk)
    assert claimed is not None
    finish_job(job=claimed, problem="The cloud said no.", code="no")
    said = status(user, toolbox)
    assert said.state == state
    text = said.reason if kind == Job.Kind.CREATE else said.notes[0].text
    assert text == f"{'It could not be made' if kind == Job.Kind.CREATE else 'Removing it failed'}: The cloud said no."


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("disk", {"info": info(disk_free_bytes=9 * GB)}),
        ("clock", {"skew_seconds": -75.0}),
        ("version", {"info": info(dtma_version="0.0.1")}),
    ],
)
def test_what_deserves_a_note(user: User, make: Make, kind: str, fields: dict[str, object]) -> None:
    said = status(user, make(**fields))
    assert said.state is State.ONLINE
    assert [note.kind for note in said.notes] == [kind]


def test_a_certificate_that_should_have_been_renewed(user: User, make: Make) -> None:
    toolbox = make()
    assert status(user, toolbox).notes == ()
    Certificate.objects.filter(toolbox=toolbox).update(not_after=timezone.now() + timedelta(hours=5, minutes=1))
    (note,) = status(user, toolbox).notes
    assert note.text.startswith("Its certificate ends in 5 hours and was not renewed.")


def test_what_is_not_known_is_not_noted(user: User, make: Make) -> None:
    stale = make(state="unresponsive", skew_seconds=500.0, info=info(dtma_version="0.0.1", disk_free_bytes=0))
    assert status(user, stale).notes == ()
