"""The user's answers to what servers ask in the middle of a call (MCP elicitation).

An answer is for the server alone: it is kept encrypted until the run has taken it, and forgotten then. No event, page or log has it.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.models import User
from agentopia.lib.announcements import announce
from agentopia.lib.errors import Conflict, InvalidInput
from agents.schemas import check_arguments
from chat.context.repairing import repaired
from chat.models import Question
from chat.selectors import question_for

CHANNEL = "agentopia:questions"
LONGEST = 100_000
"""Characters of an answer, as JSON."""


class Action(StrEnum):
    """What MCP lets a user do."""

    ACCEPT = "accept"
    DECLINE = "decline"
    CANCEL = "cancel"


_STATUS = {
    Action.ACCEPT: Question.Status.ANSWERED,
    Action.DECLINE: Question.Status.DECLINED,
    Action.CANCEL: Question.Status.CANCELLED,
}


@transaction.atomic
def answer_question(*, user: User, question_id: UUID | str, action: str, content: dict[str, Any] | None = None) -> Question:
    """Answer it, once. ``content`` is for a form that is accepted; texts are taken for the numbers that they are.

    Raises `NotFound` for another's, `Conflict` where nobody waits for it any more, `InvalidInput` for what does not fit.
    """
    question = _locked(user, question_id)
    if action not in list(Action):
        raise InvalidInput("Accept, decline or cancel.", fields={"action": "One of accept, decline, cancel."})
    if question.status != Question.Status.WAITING:
        raise Conflict("This question is answered already, or nobody waits for it any more.", code="question_closed")
    if question.expires_at <= timezone.now():
        raise Conflict("It is too late: the server waits for the answer no longer.", code="question_expired")
    chosen = Action(action)
    question.status = _STATUS[chosen]
    question.answer = fitting(question.schema, content) if chosen is Action.ACCEPT and question.schema is not None else None
    question.save(update_fields=["status", "answer"])
    announce(CHANNEL, str(question.pk))
    return question


def fitting(schema: dict[str, Any], content: Any) -> dict[str, Any]:
    """The content as the schema has it; raises `InvalidInput`, naming each field that does not fit."""
    if not isinstance(content, dict):
        raise InvalidInput("The answer must be an object with the fields of the form.", fields={"content": "An object is wanted."})
    properties, required = _of(schema)
    if unknown := [name for name in content if name not in properties]:
        raise InvalidInput("The form has no such field.", fields=dict.fromkeys(unknown, "There is no such field."))
    given = {name: value for name, value in content.items() if not (value in (None, "") and name not in required)}
    given = repaired(given, schema).arguments
    text = json.dumps(given, ensure_ascii=False)
    if len(text) > LONGEST:
        raise InvalidInput("The answer is too long.", fields={"content": f"At most {LONGEST:,} characters."})
    try:
        check_arguments("form", hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest(), schema, given)
    except InvalidInput as error:
        told = " ".join(f"{field}: {text}" for field, text in error.fields.items())
        raise InvalidInput(f"The answer does not fit the form. {told}", fields=error.fields) from error
    if wrong := {name: problem for name, value in given.items() if (problem := _problem(properties[name], value))}:
        raise InvalidInput("The answer does not fit the form.", fields=wrong)
    return dict(given)


def _locked(user: User, question_id: UUID | str) -> Question:
    found = question_for(user, question_id)
    return Question.objects.select_for_update().get(pk=found.pk)


def _of(schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    properties, required = schema.get("properties"), schema.get("required")
    return properties if isinstance(properties, dict) else {}, required if isinstance(required, list) else []


def _problem(schema: Any, value: Any) -> str:
    """What is wrong with the format of a text; empty where nothing is."""
    kind = schema.get("format") if isinstance(schema, dict) else None
    if not isinstance(value, str):
        return ""
    try:
        match kind:
            case "email":
                validate_email(value)
            case "uri":
                URLValidator(schemes=["http", "https", "ftp", "ftps"])(value)
            case "date":
                return "" if parse_date(value) else "This must be a date, such as 2026-01-31."
            case "date-time":
                return "" if parse_datetime(value) else "This must be a date and time, such as 2026-01-31T12:00:00Z."
    except ValidationError as error:
        return str(error.messages[0])
    except ValueError:
        return "There is no such day or time."
    return ""
