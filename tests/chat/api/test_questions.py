"""REST: what servers ask is listed and answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat.models import Question, Run
from tests.chat.api.conftest import Send
from tests.chat.conftest import asked_in, step_in

ALL = "/api/v1/questions/"


@pytest.fixture
def question(run: Run) -> Question:
    return asked_in(step_in(run))


def test_what_waits_is_listed(send: Send, run: Run, question: Question) -> None:
    asked_in(step_in(run), status=Question.Status.DECLINED)
    listed = send("GET", ALL)[1]
    (told,) = listed["results"]
    assert listed["count"] == 1
    assert (told["id"], told["run"], told["conversation"], told["step"]) == (
        str(question.pk), str(run.pk), str(run.conversation_id), str(question.step_id),
    )  # fmt: skip
    assert (told["server_name"], told["tool_name"], told["message"], told["schema"], told["status"]) == (
        "files", "read_file", "Which one?", question.schema, "waiting",
    )  # fmt: skip
    assert send("GET", f"{ALL}{question.pk}/") == (200, told)
    assert send("GET", f"{ALL}?status=all")[1]["count"] == 2
    assert send("GET", f"{ALL}?status=expired")[1]["count"] == 0
    assert send("GET", f"{ALL}?status=perhaps")[1]["fields"].keys() == {"status"}
    assert send("GET", f"/api/v1/runs/{run.pk}/")[1]["questions"][0] == told


def test_an_answer_is_told_to_nobody_again(send: Send, question: Question) -> None:
    status, told = send("POST", f"{ALL}{question.pk}/answer/", {"action": "accept", "content": {"one": "my password"}})
    assert (status, told["status"]) == (200, "answered")
    for path in (f"{ALL}{question.pk}/", f"{ALL}?status=all", f"/api/v1/runs/{question.step.run_id}/"):
        status, shown = send("GET", path)
        assert (status, "my password" in str(shown)) == (200, False)
    question.refresh_from_db()
    assert question.answer == {"one": "my password"}
    status, answer = send("POST", f"{ALL}{question.pk}/answer/", {"action": "cancel"})
    assert (status, answer["code"]) == (409, "question_closed")


@pytest.mark.parametrize(("action", "status"), [("decline", "declined"), ("cancel", "cancelled")])
def test_one_need_not_answer(send: Send, question: Question, action: str, status: str) -> None:
    assert send("POST", f"{ALL}{question.pk}/answer/", {"action": action})[1]["status"] == status


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "perhaps"}, "action"),
        ({"action": "accept", "content": "one"}, "content"),
        ({"action": "accept", "content": {"two": "2"}}, "two"),
        ({"action": "accept"}, "content"),
    ],
)
def test_what_does_not_fit_is_said_per_field(send: Send, question: Question, body: dict[str, Any], field: str) -> None:
    status, answer = send("POST", f"{ALL}{question.pk}/answer/", body)
    assert (status, list(answer["fields"])) == (400, [field])
    question.refresh_from_db()
    assert question.status == Question.Status.WAITING


def test_it_can_be_too_late(send: Send, run: Run) -> None:
    late = asked_in(step_in(run), expires_at=timezone.now() - timedelta(seconds=1))
    status, answer = send("POST", f"{ALL}{late.pk}/answer/", {"action": "accept", "content": {}})
    assert (status, answer["code"]) == (409, "question_expired")


def test_another_users_are_not_there(eves: Send, question: Question) -> None:
    assert eves("GET", ALL)[1]["count"] == 0
    for of in (question.pk, uuid4()):
        assert eves("GET", f"{ALL}{of}/")[0] == 404
        assert eves("POST", f"{ALL}{of}/answer/", {"action": "decline"})[0] == 404
        assert eves("POST", f"{ALL}{of}/answer/", {})[0] == 404
