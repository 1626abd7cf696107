"""What a model does wrong on the way, and the run that gets its task done all the same."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from chat.models import ModelChoice, ModelProvider, Run
from chat.running import failures
from chat.running.promising import only_announces
from tests.chat.running.conftest import Place, check_order, kinds, notices, of_kind, step_of

CALLS = (("echo", {"message": "one"}), ("add", {"a": 2, "b": 3}))
ANSWER = {"$py": "r['c0'] + '|' + r['c1'] + ' is what the two tools said, each in its turn.'"}


def played(place: Place, faults: str, *, together: bool = True) -> Run:
    place.play(*CALLS, answer=ANSWER, together=together)
    place.model.fail(faults)
    return place.ask()


def check_done(run: Run) -> None:
    assert run.status == Run.Status.SUCCEEDED, (run.error_code, run.error_message)
    assert "one" in run.answer
    assert "5" in run.answer
    check_order(run)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("http_429", "model_rate_limited"),
        ("http_429:3@1", "model_rate_limited"),
        ("http_500", "model_error"),
        ("http_503", "model_overloaded"),
        ("disconnect", "model_unreachable"),
        ("disconnect@1", "model_unreachable"),
        ("garbage_sse", "model_garbled"),
    ],
)
def test_asked_again_where_that_helps(place: Place, fault: str, code: str) -> None:
    run = played(place, fault)
    check_done(run)
    retries = of_kind(run, "model.retry")
    assert {retry["code"] for retry in retries} == {code}
    assert all(retry["reason"] and retry["attempt"] > 1 for retry in retries)
    assert place.box.made("echo") == place.box.made("add") == 1


@pytest.mark.parametrize("fault", ["no_done", "keepalive", "no_usage", "slow", "finish_stop", "one_by_one", "no_id", "empty_args"])
def test_borne_without_a_word(place: Place, fault: str) -> None:
    run = played(place, fault)
    check_done(run)
    assert not of_kind(run, "model.retry")


def test_a_pause_that_is_asked_for_is_made(place: Place) -> None:
    run = played(place, "http_429")
    assert of_kind(run, "model.retry")[0]["seconds"] == 0.2


def test_what_was_shown_of_an_answer_that_broke_off_is_void(place: Place) -> None:
    place.model.fail("disconnect")
    run = place.ask("A sentence that is long enough to come in many pieces, so that it breaks off in the middle.")
    assert run.status == Run.Status.SUCCEEDED
    first = [kind for kind in kinds(run) if kind.startswith(("text", "model", "usage"))]
    assert first == ["text.start", "text.dropped", "model.retry", "text.start", "text.end", "usage"]
    assert of_kind(run, "text.dropped") == [{"part": 1}]
    assert of_kind(run, "text.end")[0]["part"] == 2
    assert run.answer == of_kind(run, "text.end")[0]["text"]


def test_one_that_says_nothing_for_too_long(place: Place, settings: Any) -> None:
    settings.MODEL_SECONDS = 0.3  # five times as long on one's own machine
    run = played(place, "timeout")
    check_done(run)
    assert of_kind(run, "model.retry")[0]["code"] == "model_silent"


def test_an_empty_reply_is_asked_about(place: Place) -> None:
    run = played(place, "empty_reply")
    check_done(run)
    assert of_kind(run, "model.retry")[0]["code"] == "model_empty"


def test_one_that_only_says_what_it_will_do_is_told_to_do_it(place: Place) -> None:
    run = played(place, "text_only")
    check_done(run)
    assert of_kind(run, "model.retry")[0]["code"] == "model_announced"
    stubborn = played(place, "text_only:*")  # it is told once
    assert (stubborn.status, stubborn.answer) == (Run.Status.SUCCEEDED, "I will look into that now.")
    assert len(of_kind(stubborn, "model.retry")) == 1


@pytest.mark.parametrize(
    ("text", "announces"),
    [
        ("Sure. Let me check the calendar.", True),
        ("I’ll look it up…", True),
        ("Einen Moment, ich schaue nach.", True),
        ("It is 10:30. Let me know if you need more.", False),
        ("I will need to know the file. Which one is it?", False),
        ("I will be brief: the answer is 42. " + "It follows from much. " * 20, False),
        ("The file has three lines.", False),
    ],
)
def test_what_counts_as_an_announcement(text: str, announces: bool) -> None:
    assert only_announces(text, [ModelResponse(parts=[TextPart(text)])]) is announces
    called = ModelResponse(parts=[ToolCallPart("look", {})])
    assert only_announces(text, [called, ModelResponse(parts=[TextPart(text)])]) is False


def test_one_that_never_says_anything_ends_the_run_with_a_sentence(place: Place) -> None:
    run = played(place, "empty_reply:*")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "model_empty")
    check_order(run)


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ("malformed_args", "invalid_arguments", "cannot be read as JSON"),
        ("wrong_type", "invalid_arguments", "do not fit"),
        ("missing_arg", "invalid_arguments", "required"),
        ("unknown_tool", "tool_not_found", "no tool"),
    ],
)
def test_a_call_that_cannot_be_made_is_told_to_the_model(place: Place, fault: str, code: str, told: str) -> None:
    run = played(place, fault)
    check_done(run)
    step = step_of(run)
    if step.status == "succeeded":  # what was meant was plain
        assert "arguments_repaired" in notices(run)
        return
    assert (step.status, step.error_code) == ("failed", code)
    assert told in step.error_message
    assert step.receipt_id is None
    assert of_kind(run, "tool.ended")[0]["error_code"] == code


def test_calls_with_one_id_are_told_apart(place: Place) -> None:
    run = played(place, "dup_ids")
    check_done(run)
    assert len({step.tool_call_id for step in run.steps.filter(round=1)}) == 2


def test_the_next_model_takes_over(place: Place) -> None:
    broken = ModelProvider.objects.create(
        owner=place.user, kind="openai", name="Broken", base_url="http://127.0.0.1:9/v1", api_key="key", default_model="none"
    )
    ModelChoice.objects.create(agent=place.agent, position=0, provider=broken, model="first")
    ModelChoice.objects.create(agent=place.agent, position=1, provider=place.provider, model=place.model.model)
    run = played(place, "")
    check_done(run)
    fallback = of_kind(run, "model.fallback")
    assert [(each["from"], each["to"]) for each in fallback] == [("Broken: first", f"Scripted: {place.model.model}")]
    assert len(of_kind(run, "model.retry")) == len(failures.PAUSES)
    assert (run.provider_id, run.model) == (place.provider.pk, place.model.model)


def test_a_model_that_is_down_ends_the_run_with_a_sentence(place: Place) -> None:
    run = played(place, "http_500:*")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "model_error")
    assert run.error_message.startswith("The model “scripted-1” gave no answer.")
    assert of_kind(run, "run.ended")[0]["error_message"] == run.error_message
    check_order(run)


def test_a_request_that_is_refused_is_not_made_again(place: Place) -> None:
    run = played(place, "http_400:*")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "model_refused")
    assert not of_kind(run, "model.retry")
    assert "injected" in run.error_message


def test_too_long_a_pause_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PATIENCE", 0.1)
    run = played(place, "http_429:*")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "model_rate_limited")


def test_a_run_without_any_model_is_refused_with_what_to_do(place: Place) -> None:
    run = place.send("Hello")
    ModelProvider.objects.all().delete()
    place.perform(run)
    assert (run.status, run.error_code) == (Run.Status.FAILED, "no_model")
    assert "add a provider of models" in run.error_message
    check_order(run)
