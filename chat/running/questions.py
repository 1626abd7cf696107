"""What servers ask in the middle of a call: a form for the user, or a word of the agent's model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agentopia.lib.announcements import Following
from agents.calling.questions import ELICITATION, SAMPLING, OnQuestion
from chat.models import Question, Step
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.sampling import sampled
from chat.services.questions import CHANNEL

LOOK_SECONDS = 3.0

_waiting: dict[str, asyncio.Event] = {}


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Within this, who waits for an answer is woken when there is one."""

    def forget() -> None:
        for event in _waiting.values():
            event.set()

    def heard(word: str) -> None:
        if (event := _waiting.get(word)) is not None:
            event.set()

    async with Following(CHANNEL, heard, forget).listening():
        yield


def asker_for(doing: Doing, step: Step) -> OnQuestion:
    """Answers what the server asks in this call."""

    async def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == ELICITATION:
            return await _ask(doing, step, params)
        if method == SAMPLING:
            return await sampled(doing, params)
        return None

    return answer


async def _ask(doing: Doing, step: Step, params: dict[str, Any]) -> dict[str, Any]:
    schema, url = params.get("requestedSchema"), params.get("url")
    question = Question(
        step=step,
        message=str(params.get("message") or "")[:10_000],
        schema=schema if isinstance(schema, dict) else None,
        url=str(url)[:2000] if isinstance(url, str) and params.get("mode") == "url" else "",
        expires_at=timezone.now() + timedelta(seconds=settings.QUESTION_SECONDS),
    )
    about = {"question": str(question.pk), "step": str(step.pk)}
    await doing.events.commit(partial(question.save, force_insert=True), ("question.asked", about))
    try:
        return await _answered(question)
    except asyncio.CancelledError:
        question.status = Question.Status.CANCELLED
        raise
    finally:
        closing = asyncio.ensure_future(_close(doing, question))
        with suppress(asyncio.CancelledError):
            await asyncio.shield(closing)


async def _answered(question: Question) -> dict[str, Any]:
    event = _waiting[str(question.pk)] = asyncio.Event()
    try:
        while True:
            await in_database(question.refresh_from_db)
            if question.status != Question.Status.WAITING:
                return _result(question)
            left = (question.expires_at - timezone.now()).total_seconds()
            if left <= 0:
                question.status = Question.Status.EXPIRED
                return {"action": "cancel"}
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await event.wait()
            event.clear()
    finally:
        del _waiting[str(question.pk)]


def _result(question: Question) -> dict[str, Any]:
    """As MCP has it."""
    if question.status == Question.Status.ANSWERED:
        return {"action": "accept"} if question.schema is None else {"action": "accept", "content": question.answer or {}}
    return {"action": "decline" if question.status == Question.Status.DECLINED else "cancel"}


async def _close(doing: Doing, question: Question) -> None:
    """Nobody can answer it any more, and what was answered is forgotten."""

    def change() -> None:
        rows = Question.objects.filter(pk=question.pk)
        rows.filter(status=Question.Status.WAITING).update(status=question.status)
        rows.update(answer=None)

    await doing.events.commit(change, ("question.closed", {"question": str(question.pk), "status": question.status}))


def close_all(run_id: UUID) -> None:
    """Nobody waits for what is still asked in a run."""
    open_ = Question.objects.filter(step__run=run_id, status=Question.Status.WAITING)
    open_.update(status=Question.Status.CANCELLED)
