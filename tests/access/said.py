"""What a user and an agent said to each other, each thing with the user's word in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from agents.models import Agent
from chat.models import Attachment, Conversation, Question, Run, RunEvent, Step


@dataclass(frozen=True)
class Said:
    """One of each."""

    conversation: Conversation
    run: Run
    step: Step
    question: Question
    attachment: Attachment


def said_by(agent: Agent, word: str) -> Said:
    """A conversation with one run, which has ended, so that nobody waits for more of it."""
    now = timezone.now()
    conversation = Conversation.objects.create(owner=agent.owner, agent=agent, agent_name=agent.name, title=word, summary=word)
    run = Run.objects.create(
        conversation=conversation, number=1, text=word, answer=word, status=Run.Status.FAILED, error_code="error", error_message=word,
        messages=[{"said": word}], context={"said": word}, ended_at=now - timedelta(minutes=1),
    )  # fmt: skip
    RunEvent.objects.create(run=run, seq=1, kind="text.end", data={"part": 1, "text": word})
    step = Step.objects.create(
        run=run, number=1, round=1, tool_call_id="call_1", name=word, server_name=word, tool_name=word, arguments={"said": word},
        status=Step.Status.SUCCEEDED, result={"content": [{"type": "text", "text": word}]}, ended_at=now,
    )  # fmt: skip
    schema = {"type": "object", "properties": {word: {"type": "string"}}}
    question = Question.objects.create(step=step, message=word, schema=schema, expires_at=now + timedelta(minutes=10))
    given = word.encode()
    attachment = Attachment.objects.create(run=run, name=word, media_type="text/plain", size=len(given), content=given)
    return Said(conversation, run, step, question, attachment)
