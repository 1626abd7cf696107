"""A run is stopped by its user, wherever it is."""

from __future__ import annotations

from agents.models import ToolCall
from chat.models import Run, Step
from chat.services.runs import stop_run
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, kinds, of_kind, step_of, until


def test_in_the_middle_of_a_call_which_ends_on_the_toolbox_too(place: Place) -> None:
    gate = place.box.tools["echo"] = Gate()
    place.play(("echo", {"message": "x"}))
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    stop_run(user=place.user, run_id=run.pk)
    thread.join()
    run.refresh_from_db()
    assert (run.status, run.error_code, run.error_message) == (Run.Status.CANCELLED, "stopped", "You stopped the run.")
    assert gate.ended.wait(10)
    assert gate.was_cancelled
    step = step_of(run)
    assert step.status == Step.Status.CANCELLED
    assert until(lambda: ToolCall.objects.get(pk=step.receipt_id).status == "cancelled")
    check_order(run)


def test_in_the_middle_of_an_answer(place: Place) -> None:
    text = "A long sentence. " * 400
    place.model.fail("slow:*")
    run = place.send(text)
    thread = place.begin(run)
    until(lambda: run.events.filter(kind="text.delta").count() > 3)
    stop_run(user=place.user, run_id=run.pk)
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
    assert run.answer
    assert text.strip() not in run.answer
    assert of_kind(run, "text.end")[0]["text"] == run.answer
    assert kinds(run)[-2:] == ["text.end", "run.ended"]
    check_order(run)


def test_before_anybody_took_it_up(place: Place) -> None:
    run = place.send()
    stop_run(user=place.user, run_id=run.pk)
    place.perform(run)
    assert run.status == Run.Status.CANCELLED
    assert kinds(run) == ["run.ended"]


def test_twice_or_too_late_is_no_matter(place: Place) -> None:
    run = place.ask("Hello")
    stop_run(user=place.user, run_id=run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED
