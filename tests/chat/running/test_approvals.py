"""A call that waits for its owner: the run is put down, and goes on with the decision."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.approvals import Verdict, decide, expire_due
from agents.models import Approval, ToolCall
from chat.models import Run, Step
from chat.services.runs import stop_run
from chat.tasks import dispatch_due_runs
from tests.chat.running.conftest import Place, check_order, kinds, of_kind, permit, step_of

WRITE = ("write", {"path": "/a", "text": "b"})
ECHO = ("echo", {"message": "x"})


def parked(place: Place, *, together: bool = False) -> Run:
    """A run whose call waits."""
    permit(place, "always")
    place.play(*([WRITE, ECHO] if together else [WRITE]), together=together, answer={"$py": "r['c0']"})
    run = place.ask()
    assert run.status == Run.Status.WAITING
    assert run.lease_until is None
    assert kinds(run)[-1] == "run.waiting"
    return run


def approval_of(step: Step) -> Approval:
    return Approval.objects.get(pk=step.approval_id)


def test_approved_and_gone_on_with(place: Place) -> None:
    run = parked(place)
    step = step_of(run)
    assert step.status == Step.Status.APPROVAL
    assert of_kind(run, "tool.approval")[0]["approval"] == str(step.approval_id)
    assert place.box.made("write") == 0
    place.handed.clear()
    decide(owner=place.user, approval_id=step.approval_id, verdict=Verdict.APPROVE)
    assert place.handed == [run.pk]
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert "wrote /a" in run.answer
    assert place.box.made("write") == 1
    assert "run.resumed" in kinds(run)
    assert len(of_kind(run, "tool.called")) == 1
    check_order(run)


@pytest.mark.parametrize("is_changed", [False, True], ids=["as before", "nobody is asked any more"])
def test_with_other_arguments(place: Place, is_changed: bool) -> None:
    run = parked(place)
    step = step_of(run)
    decide(owner=place.user, approval_id=step.approval_id, verdict=Verdict.APPROVE, arguments={"path": "/other", "text": "b"})
    if is_changed:
        permit(place, "never")
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    step.refresh_from_db()
    assert step.arguments == {"path": "/other", "text": "b"}
    assert place.box.calls[0] == ("write", {"path": "/other", "text": "b"})
    assert "owner changed the arguments" in str(run.messages)


def test_refused_with_a_note(place: Place) -> None:
    run = parked(place)
    step = step_of(run)
    decide(owner=place.user, approval_id=step.approval_id, verdict=Verdict.REFUSE, note="Not on a Friday.")
    permit(place, "never")  # which is of later calls
    place.perform(run)
    step.refresh_from_db()
    assert (step.status, step.error_code) == (Step.Status.REFUSED, "approval_refused")
    assert "Not on a Friday." in step.error_message
    assert "Not on a Friday." in str(run.messages)
    assert run.status in Run.ENDED or run.status == Run.Status.WAITING


def test_not_decided_in_time(place: Place) -> None:
    run = parked(place)
    step = step_of(run)
    place.handed.clear()
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_due() == 1
    assert place.handed == [run.pk]
    permit(place, "never")
    place.perform(run)
    step.refresh_from_db()
    assert (step.status, step.error_code) == (Step.Status.REFUSED, "approval_expired")
    assert run.status == Run.Status.SUCCEEDED


def test_those_that_need_nobody_are_made_meanwhile(place: Place) -> None:
    run = parked(place, together=True)
    waiting = run.steps.filter(status=Step.Status.APPROVAL)
    assert waiting.count() == 2
    first, second = waiting
    decide(owner=place.user, approval_id=first.approval_id, verdict=Verdict.APPROVE)
    place.perform(run)
    assert run.status == Run.Status.WAITING
    first.refresh_from_db()
    assert first.status == Step.Status.SUCCEEDED
    decide(owner=place.user, approval_id=second.approval_id, verdict=Verdict.APPROVE)
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    assert place.box.made("write") == place.box.made("echo") == 1
    check_order(run)


def test_a_decision_that_nobody_heard_is_found(place: Place) -> None:
    run = parked(place)
    place.handed.clear()
    dispatch_due_runs()
    assert place.handed == []
    Approval.objects.update(status=Approval.Status.REFUSED)
    dispatch_due_runs()
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    assert set(place.handed) == {run.pk}


def test_a_run_that_waits_is_stopped(place: Place) -> None:
    run = parked(place)
    stop_run(user=place.user, run_id=run.pk)
    run.refresh_from_db()
    step = step_of(run)
    assert (run.status, run.error_code) == (Run.Status.CANCELLED, "stopped")
    assert step.status == Step.Status.CANCELLED
    assert approval_of(step).status == Approval.Status.WITHDRAWN
    assert ToolCall.objects.get(pk=step.receipt_id).status == "cancelled"
    assert kinds(run)[-2:] == ["tool.ended", "run.ended"]
    stop_run(user=place.user, run_id=run.pk)
    check_order(run)
