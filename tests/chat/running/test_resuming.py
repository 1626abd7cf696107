"""A worker is killed, or loses its lease, or ends: another one goes on with its runs, and repeats no call that may have had an effect."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone

from agentopia.environment import BASE_DIR
from agents.models import ToolCall
from chat.models import Run, Step
from chat.tasks import dispatch_due_runs
from tests.agents.calling.test_durable import environment_of_tests
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, kinds, notices, of_kind, running, step_of, until

WRITE = ("write", {"path": "/a", "text": "b"})
ECHO = ("echo", {"message": "ahoy"})


@contextmanager
def another_process(run: Run) -> Iterator[subprocess.Popen[bytes]]:
    """A runner in a process of its own that carries out this run; it is killed at the end, outright."""
    process = subprocess.Popen([sys.executable, "-m", "tests.chat.running.killed", str(run.pk)], cwd=BASE_DIR, env=environment_of_tests())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lease_ends(run: Run) -> None:
    """So much time has passed that nobody has it."""
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def killed_in_the_middle(place: Place, call: tuple[str, dict[str, str]]) -> Run:
    """A run whose worker was killed while this call was being made. Before that it had called `add`."""
    gate = place.box.tools[call[0]] = Gate("done")
    place.play(("add", {"a": 1, "b": 2}), call, answer={"$py": "r['c0'] + r['c1']"})
    run = place.send()
    with another_process(run):
        gate.wait_until_reached()
    place.handed.clear()
    dispatch_due_runs()
    assert place.handed == []  # its lease runs still
    lease_ends(run)
    dispatch_due_runs()
    assert place.handed == [run.pk]
    place.box.tools[call[0]] = lambda arguments: "done"
    place.perform(run)
    return run


def test_killed_in_the_middle_of_a_call_with_an_effect(place: Place) -> None:
    run = killed_in_the_middle(place, WRITE)
    assert place.box.made("add") == 1
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    step = step_of(run, 2)
    assert (step.status, step.error_code, step.tries) == (Step.Status.INTERRUPTED, "interrupted", 1)
    assert "nobody knows whether it had its effect" in step.error_message
    assert "interrupted" in notices(run)
    assert "run.resumed" in kinds(run)
    again = run.steps.filter(name="notes__write", number__gt=2).count()  # the model's own decision, once it was told
    assert place.box.made("write") == 1 + again
    check_order(run)


def test_killed_in_the_middle_of_a_call_that_only_reads(place: Place) -> None:
    run = killed_in_the_middle(place, ECHO)
    assert run.status == Run.Status.SUCCEEDED
    step = step_of(run, 2)
    assert (step.status, step.tries) == (Step.Status.SUCCEEDED, 2)
    assert place.box.made("echo") == 2
    assert place.box.made("add") == 1
    check_order(run)


def test_what_the_receipt_knows_is_used(place: Place) -> None:
    """The worker died after the call was answered and before it had written that down."""
    gate = place.box.tools["write"] = Gate("written")
    place.play(WRITE, answer={"$py": "r['c0']"})
    run = place.send()
    with another_process(run):
        gate.wait_until_reached()
    result = {"content": [{"type": "text", "text": "written, says the receipt"}]}
    ToolCall.objects.filter(pk=step_of(run).receipt_id).update(status="succeeded", result=result, ended_at=timezone.now())
    lease_ends(run)
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    assert "written, says the receipt" in run.answer
    assert place.box.made("write") == 1
    assert step_of(run).status == Step.Status.SUCCEEDED


def test_killed_before_the_call_left(place: Place) -> None:
    """The step was written, and the receipt was not: the call was never made."""
    gate = place.box.tools["write"] = Gate("written")
    place.play(WRITE)
    run = place.send()
    with another_process(run):
        gate.wait_until_reached()
    ToolCall.objects.filter(run=run.pk).delete()
    place.box.calls.clear()
    place.box.tools["write"] = lambda arguments: "written"
    lease_ends(run)
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    assert place.box.made("write") == 1
    assert step_of(run).status == Step.Status.SUCCEEDED


def test_killed_in_the_middle_of_an_answer(place: Place) -> None:
    place.model.fail("slow:*")
    text = ("A sentence. " * 60).strip()
    run = place.send(text)
    with another_process(run):
        until(lambda: run.events.filter(kind="text.delta").count() > 2)
    place.model.fail("")
    lease_ends(run)
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    assert run.answer == f"You said: {text}"
    assert of_kind(run, "text.dropped") == [{"part": 1}]
    assert of_kind(run, "text.end")[-1] == {"part": 2, "text": run.answer}
    check_order(run)


def test_who_lost_the_lease_writes_nothing_more(place: Place) -> None:
    gate = place.box.tools["echo"] = Gate("too late")
    place.play(ECHO, answer={"$py": "r['c0']"})
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    lease_ends(run)
    place.box.tools["echo"] = lambda arguments: "in time"
    with running() as other:
        other.perform(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED
    assert "in time" in run.answer
    before = run.events.count()
    gate.open()
    thread.join()
    assert run.events.count() == before
    run.refresh_from_db()
    assert "in time" in run.answer
    assert step_of(run).result == {"content": [{"type": "text", "text": "in time"}]}
    check_order(run)


def test_a_worker_that_ends_hands_its_runs_back(place: Place) -> None:
    gate = Gate("read")
    place.box.tools["echo"] = gate
    place.play(ECHO)
    run = place.send()
    with running() as other:
        thread = threading.Thread(target=other.perform, args=(run.pk,))
        thread.start()
        gate.wait_until_reached()
        place.handed.clear()
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    assert place.handed == [run.pk]
    place.box.tools["echo"] = lambda arguments: "read"
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    check_order(run)


def test_two_workers_never_do_one_run(place: Place) -> None:
    gate = place.box.tools["echo"] = Gate()
    place.play(ECHO)
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    with running() as other:
        other.perform(run.pk)  # returns at once
    gate.open()
    thread.join()
    assert place.box.made("echo") == 1
    check_order(run)
