"""The user's answers to what servers ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from chat.models import Question, Run
from chat.services.questions import CHANNEL, answer_question
from tests.chat.conftest import asked_in, step_in

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0},
        "email": {"type": "string", "format": "email"},
        "site": {"type": "string", "format": "uri"},
        "born": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "sure": {"type": "boolean"},
        "size": {"type": "string", "enum": ["small", "large"]},
        "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        "many": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}, "maxItems": 1},
    },
    "required": ["name"],
}


@pytest.fixture
def question(run: Run) -> Question:
    return asked_in(step_in(run), schema=FORM)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ({"name": "Ada"}, {"name": "Ada"}),
        ({"name": "Ada", "age": "36", "sure": "true"}, {"name": "Ada", "age": 36, "sure": True}),
        ({"name": "Ada", "age": "", "email": None}, {"name": "Ada"}),
        ({"name": "Ada", "email": "ada@example.org", "site": "https://example.org/x"}, None),
        ({"name": "Ada", "born": "1815-12-10", "at": "2026-01-31T12:00:00Z"}, None),
        ({"name": "Ada", "size": "large", "titled": "b", "many": ["x"]}, None),
    ],
)
def test_what_fits_is_kept(user: User, question: Question, content: dict[str, Any], kept: dict[str, Any] | None) -> None:
    answered = answer_question(user=user, question_id=question.pk, action="accept", content=content)
    question.refresh_from_db()
    assert answered.status == question.status == Question.Status.ANSWERED
    assert question.answer == (content if kept is None else kept)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "content"),
        ("Ada", "content"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "A"}, "name"),
        ({"name": "Ada", "age": -1}, "age"),
        ({"name": "Ada", "age": "old"}, "age"),
        ({"name": "Ada", "email": "ada"}, "email"),
        ({"name": "Ada", "site": "javascript:alert(1)"}, "site"),
        ({"name": "Ada", "born": "1815-13-10"}, "born"),
        ({"name": "Ada", "born": "long ago"}, "born"),
        ({"name": "Ada", "at": "noon"}, "at"),
        ({"name": "Ada", "size": "medium"}, "size"),
        ({"name": "Ada", "titled": "c"}, "titled"),
        ({"name": "Ada", "many": ["x", "y"]}, "many"),
        ({"name": "Ada", "other": 1}, "other"),
        ({"name": "x" * 200_000}, "content"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(user: User, question: Question, content: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        answer_question(user=user, question_id=question.pk, action="accept", content=content)
    assert field in refused.value.fields
    question.refresh_from_db()
    assert (question.status, question.answer) == (Question.Status.WAITING, None)


@pytest.mark.parametrize(("action", "status"), [("decline", "declined"), ("cancel", "cancelled")])
def test_who_does_not_want_to_need_not(user: User, question: Question, action: str, status: str) -> None:
    answer_question(user=user, question_id=question.pk, action=action, content={"name": "not told"})
    question.refresh_from_db()
    assert (question.status, question.answer) == (status, None)


def test_an_answer_is_encrypted_where_it_is_kept(user: User, question: Question) -> None:
    answer_question(user=user, question_id=question.pk, action="accept", content={"name": "my-secret"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM chat_question WHERE id = %s", [question.pk])
        assert "my-secret" not in cursor.fetchone()[0]


def test_a_question_is_answered_once(user: User, question: Question) -> None:
    answer_question(user=user, question_id=question.pk, action="decline")
    with pytest.raises(Conflict) as refused:
        answer_question(user=user, question_id=question.pk, action="accept", content={"name": "Ada"})
    assert refused.value.code == "question_closed"


def test_not_when_it_is_too_late(user: User, question: Question) -> None:
    Question.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict) as refused:
        answer_question(user=user, question_id=question.pk, action="accept", content={"name": "Ada"})
    assert refused.value.code == "question_expired"


def test_not_anothers_nor_in_another_way(user: User, stranger: User, question: Question) -> None:
    with pytest.raises(NotFound):
        answer_question(user=stranger, question_id=question.pk, action="decline")
    with pytest.raises(NotFound):
        answer_question(user=user, question_id=uuid4(), action="decline")
    with pytest.raises(InvalidInput):
        answer_question(user=user, question_id=question.pk, action="perhaps")


def test_a_link_needs_no_content(user: User, run: Run) -> None:
    question = asked_in(step_in(run), schema=None, url="https://example.org/sign-in")
    answer_question(user=user, question_id=question.pk, action="accept", content={"ignored": 1})
    question.refresh_from_db()
    assert (question.status, question.answer) == (Question.Status.ANSWERED, None)


def test_who_waits_for_it_is_woken(transactional_db: None, user: User, question: Question) -> None:
    with Redis.from_url(settings.ENVIRONMENT.redis_url) as redis, redis.pubsub() as hearing:
        hearing.subscribe(CHANNEL)
        assert hearing.get_message(timeout=5)["type"] == "subscribe"
        answer_question(user=user, question_id=question.pk, action="decline")
        assert hearing.get_message(timeout=5)["data"] == str(question.pk).encode()
