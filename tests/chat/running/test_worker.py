"""The runner as it is started: a Celery worker of its own, killed and ended in the middle of a call."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app

from agentopia.environment import BASE_DIR
from chat.models import Run, Step
from chat.services.waiting import TASK
from tests.agents.calling.test_durable import environment_of_tests
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, kinds, step_of, until
from tests.chat.running.test_resuming import lease_ends

START_SECONDS = 90
COMMAND = ("celery", "--app", "agentopia", "worker", "--pool", "threads", "--concurrency", "8", "--queues", "runs")
ALONE = ("--hostname", "runner@tests", "--without-mingle", "--without-gossip")


@contextmanager
def worker(how_it_ends: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *COMMAND, *ALONE], cwd=BASE_DIR, env=environment_of_tests())
    try:
        yield
    finally:
        process.send_signal(how_it_ends)
        process.wait(START_SECONDS)


def begun(place: Place) -> Run:
    """A run whose worker is in the middle of a call that has an effect."""
    gate = place.box.tools["write"] = Gate("written")
    place.play(("write", {"path": "/a", "text": "b"}), answer={"$py": "r['c0']"})
    run = place.send()
    current_app.send_task(TASK, (str(run.pk),))
    assert gate.reached.wait(START_SECONDS)
    return run


def test_ended_it_hands_back_what_it_was_at(place: Place) -> None:
    with worker():
        run = begun(place)
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    place.box.tools["write"] = lambda arguments: "written again"
    with worker():
        current_app.send_task(TASK, (str(run.pk),))  # as the next dispatch does
        until(lambda: Run.objects.get(pk=run.pk).status in Run.ENDED, START_SECONDS)
    check_order(run)
    assert step_of(run).status == Step.Status.INTERRUPTED


def test_killed_another_one_goes_on_and_repeats_nothing(place: Place) -> None:
    with worker(signal.SIGKILL):
        run = begun(place)
    made = place.box.made("write")
    place.box.tools["write"] = lambda arguments: "written again"
    run.refresh_from_db()
    assert run.status == Run.Status.RUNNING  # as far as the row knows
    lease_ends(run)
    with worker():
        current_app.send_task(TASK, (str(run.pk),))
        until(lambda: Run.objects.get(pk=run.pk).status in Run.ENDED, START_SECONDS)
    run.refresh_from_db()
    assert made == 1
    assert step_of(run).status == Step.Status.INTERRUPTED
    assert "run.resumed" in kinds(run)
    assert run.status == Run.Status.SUCCEEDED
    check_order(run)
