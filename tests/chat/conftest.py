"""What tests of the chat share: an agent, a conversation with it, and runs in given states, as rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Approval, ToolCall
from agents.services.agents import create_agent
from chat.models import Conversation, Question, Run, RunEvent, Step
from chat.services.conversations import create_conversation

type MakeRun = Callable[..., Run]


@pytest.fixture
def agent(user: User) -> Agent:
    return create_agent(owner=user, name="Helper", instructions="Helps.")


@pytest.fixture
def conversation(user: User, agent: Agent) -> Conversation:
    return create_conversation(user=user, agent_id=agent.pk)


def run_in(conversation: Conversation, text: str = "What is the weather?", **fields: Any) -> Run:
    """The next run of a conversation; it has ended well unless told otherwise."""
    last = conversation.runs.order_by("-number").values_list("number", flat=True).first() or 0
    ended = fields.get("status", Run.Status.SUCCEEDED) in Run.ENDED
    usual: dict[str, Any] = {
        "status": Run.Status.SUCCEEDED,
        "answer": "Sunny." if ended else "",
        "ended_at": timezone.now() if ended else None,
    }
    return Run.objects.create(conversation=conversation, number=last + 1, text=text, **usual | fields)


def step_in(run: Run, name: str = "files__read_file", **fields: Any) -> Step:
    """The next tool call of a run; it has ended well unless told otherwise."""
    number = run.steps.count() + 1
    usual = {
        "round": 1, "tool_call_id": f"call_{number}", "server_name": "files", "tool_name": "read_file", "status": Step.Status.SUCCEEDED,
        "arguments": {"path": "/tmp/a"}, "result": {"content": [{"type": "text", "text": "hello"}]},
    }  # fmt: skip
    return Step.objects.create(run=run, number=number, name=name, **usual | fields)


def events_in(run: Run, *events: tuple[str, dict[str, Any]]) -> list[RunEvent]:
    """The next events of a run, as its worker writes them."""
    last = run.events.order_by("-seq").values_list("seq", flat=True).first() or 0
    rows = [RunEvent(run=run, seq=last + place, kind=kind, data=data) for place, (kind, data) in enumerate(events, start=1)]
    return RunEvent.objects.bulk_create(rows)


def waiting_approval(user: User, agent: Agent, run: Run) -> Approval:
    """A call of the run that waits for its user."""
    until = timezone.now() + timedelta(minutes=10)
    call = ToolCall.objects.create(
        user=user, via="chat", status="waiting", agent=agent, agent_name=agent.name, server_name="files", tool_name="read_file",
        run=run.pk, deadline=until,
    )  # fmt: skip
    return Approval.objects.create(call=call, owner=user, agent=agent, reason="It may destroy.", expires_at=until)


def asked_in(step: Step, **fields: Any) -> Question:
    """A question of the step's server."""
    usual: dict[str, Any] = {"message": "Which one?", "schema": {"type": "object", "properties": {"one": {"type": "string"}}}}
    return Question.objects.create(step=step, **{**usual, "expires_at": timezone.now() + timedelta(minutes=10), **fields})


@pytest.fixture
def make_run(conversation: Conversation) -> MakeRun:
    """Makes runs in the conversation."""

    def make(text: str = "What is the weather?", **fields: Any) -> Run:
        return run_in(conversation, text, **fields)

    return make


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    """A run that a worker is at."""
    return make_run(status=Run.Status.RUNNING, started_at=timezone.now())
