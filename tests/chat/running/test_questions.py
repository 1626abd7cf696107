"""What a server asks in the middle of a call: its user, by a form, or the agent's model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.models import Question, Run, Step
from chat.running import questions
from chat.services.questions import answer_question
from chat.services.runs import stop_run
from tests.chat.running.box import Talk
from tests.chat.running.conftest import Place, check_order, kinds, of_kind, step_of, until

FORM = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def asks(arguments: dict[str, Any], talk: Talk) -> str:
    answer = await talk.ask("elicitation/create", {"message": "Which city?", "requestedSchema": FORM})
    return f"said {answer['result']}"


def asked(place: Place) -> tuple[Run, Any, Question]:
    """A run whose server waits for an answer."""
    place.box.talking["echo"] = asks
    place.play(("echo", {"message": "x"}), answer={"$py": "r['c0']"})
    run = place.send()
    thread = place.begin(run)
    return run, thread, until(lambda: Question.objects.filter(step__run=run).first())


def test_the_user_answers(place: Place) -> None:
    run, thread, question = asked(place)
    assert (question.message, question.schema) == ("Which city?", FORM)
    assert of_kind(run, "question.asked") == [{"question": str(question.pk), "step": str(step_of(run).pk)}]
    answer_question(user=place.user, question_id=question.pk, action="accept", content={"city": "Rome"})
    thread.join()
    run.refresh_from_db()
    question.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED
    assert "Rome" in run.answer
    assert (question.status, question.answer) == (Question.Status.ANSWERED, None)
    assert "Rome" not in str([event.data for event in run.events.all() if event.kind.startswith("question")])
    order = [kind for kind in kinds(run) if kind.startswith(("tool", "question"))]
    assert order == ["tool.called", "tool.running", "question.asked", "question.closed", "tool.ended"]
    check_order(run)


def test_the_user_declines(place: Place) -> None:
    run, thread, question = asked(place)
    answer_question(user=place.user, question_id=question.pk, action="decline")
    thread.join()
    run.refresh_from_db()
    assert "decline" in run.answer


def test_nobody_answers_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "LOOK_SECONDS", 0.1)
    run, thread, question = asked(place)
    Question.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    thread.join()
    run.refresh_from_db()
    question.refresh_from_db()
    assert question.status == Question.Status.EXPIRED
    assert "cancel" in run.answer


def test_the_run_is_stopped_while_it_is_asked(place: Place) -> None:
    run, thread, question = asked(place)
    stop_run(user=place.user, run_id=run.pk)
    thread.join()
    run.refresh_from_db()
    question.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
    assert question.status == Question.Status.CANCELLED
    assert step_of(run).status == Step.Status.CANCELLED
    check_order(run)


def test_the_model_answers_and_that_is_counted(place: Place) -> None:
    async def samples(arguments: dict[str, Any], talk: Talk) -> str:
        params = {"messages": [{"role": "user", "content": {"type": "text", "text": "A word?"}}], "maxTokens": 50}
        answer = await talk.ask("sampling/createMessage", params)
        return str(answer["result"]["content"]["text"])

    place.box.talking["echo"] = samples
    place.play(("echo", {"message": "x"}), answer={"$py": "r['c0']"})
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    assert "You said: A word?" in run.answer
    assert run.requests == 3
    assert of_kind(run, "usage")[1]["asked_by"] == "server"


def test_how_far_a_call_is(place: Place) -> None:
    async def counts(arguments: dict[str, Any], talk: Talk) -> str:
        for number in range(1, 4):
            talk.progress(number, 3, f"{number} of 3")
        return "counted"

    place.box.talking["echo"] = counts
    place.play(("echo", {"message": "x"}), answer={"$py": "r['c0']"})
    run = place.ask()
    told = of_kind(run, "tool.progress")
    assert told[0] == {"step": str(step_of(run).pk), "progress": 1, "total": 3, "message": "1 of 3"}
    assert told[-1]["progress"] == 3
    assert step_of(run).progress == {"progress": 3, "total": 3, "message": "3 of 3"}
