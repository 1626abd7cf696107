"""A runner in this process, a scripted model, and an agent with tools whose behaviour a test decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from accounts.models import User
from agentopia.lib import leases
from agents.models import Agent
from agents.toolsets import cache
from agents.toolsets.touch import touch
from bench.scripted.serving import Served
from chat.models import Conversation, ModelProvider, Run, RunEvent, Step
from chat.running import failures
from chat.running.engine import EngineThread
from chat.services.conversations import create_conversation
from chat.services.messages import send_message
from mcp_registry.models import McpServer
from tests.agents.granting import agent_with, tell_tools
from tests.chat.running.box import Box, listening
from tests.chat.scripted import scripted

__all__ = ["scripted"]

SECONDS = 30
PROMPT = "Do the task."
TEXT = {"type": "string"}


def tool(name: str, *required: str, annotations: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """A definition; it says that it destroys nothing, unless told otherwise."""
    hints = {"destructiveHint": False} if annotations is None else annotations
    schema = {"type": "object", "properties": properties or {"message": TEXT}, "required": list(required)}
    return {"name": name, "description": f"Does {name}.", "inputSchema": schema, "annotations": hints}


READING = {"readOnlyHint": True}
TOOLS = (
    tool("echo", "message", annotations=READING),
    tool("write", "path", path=TEXT, text=TEXT),
    tool("add", "a", "b", annotations=READING, a={"type": "integer"}, b={"type": "integer"}),
)


def until[T](condition: Callable[[], T], seconds: float = SECONDS) -> T:
    """What the condition gives, once that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "It did not happen in time."
        threading.Event().wait(0.02)
    return found


@dataclass
class Place:
    """A user's agent at work: its server is ``server``, whose tools are those of ``box``, and its model is ``model``."""

    user: User
    agent: Agent
    server: McpServer
    provider: ModelProvider
    box: Box
    model: Served
    runner: EngineThread
    conversation: Conversation
    handed: list[UUID]

    def play(self, *calls: tuple[str, dict[str, Any]], answer: Any = "Done.", together: bool = False, prompt: str = PROMPT) -> None:
        """The model makes these calls, in turn or together, and answers."""
        self.model.play(self.task(*calls, answer=answer, together=together, prompt=prompt))

    def task(self, *calls: tuple[str, dict[str, Any]], answer: Any, together: bool = False, prompt: str = PROMPT) -> dict[str, Any]:
        gold = [
            {"id": f"c{place}", "server": "notes", "tool": name, "args": arguments, "step": 0 if together else place}
            for place, (name, arguments) in enumerate(calls)
        ]
        return {"id": prompt, "prompt": prompt, "gold_calls": gold, "answer": answer}

    def send(self, text: str = PROMPT, conversation: Conversation | None = None) -> Run:
        """Say something; nobody does it yet."""
        return send_message(user=self.user, conversation_id=(conversation or self.conversation).pk, text=text)

    def ask(self, text: str = PROMPT) -> Run:
        """Say something, and wait for the work on it to leave off."""
        return self.perform(self.send(text))

    def perform(self, run: Run) -> Run:
        self.runner.perform(run.pk)
        run.refresh_from_db()
        return run

    def begin(self, run: Run) -> threading.Thread:
        """The same in the background; join it."""
        thread = threading.Thread(target=self.runner.perform, args=(run.pk,))
        thread.start()
        return thread


def events_of(run: Run) -> list[RunEvent]:
    return list(run.events.order_by("seq"))


def kinds(run: Run) -> list[str]:
    """The kinds of its events in their order, deltas left out."""
    return [event.kind for event in events_of(run) if not event.kind.endswith((".delta", ".progress"))]


def of_kind(run: Run, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in events_of(run) if event.kind == kind]


def notices(run: Run) -> list[str]:
    return [data["code"] for data in of_kind(run, "notice")]


def step_of(run: Run, number: int = 1) -> Step:
    return run.steps.get(number=number)


def check_order(run: Run) -> None:
    """Without gaps, and in time."""
    events = events_of(run)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == "run.ended"


def scripted_provider(owner: User, scripted: Served, name: str = "Scripted") -> ModelProvider:
    """A provider that is the scripted model."""
    return ModelProvider.objects.create(
        owner=owner, kind=ModelProvider.Kind.OPENAI, name=name, base_url=scripted.url, api_key="key", default_model=scripted.model
    )


@contextmanager
def running() -> Iterator[EngineThread]:
    """A runner in this process."""
    thread = EngineThread()
    try:
        yield thread
    finally:
        thread.close()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """What was handed to workers; there is no worker but the test."""
    given: list[UUID] = []
    monkeypatch.setattr(leases, "hand_over", lambda task, work_id: given.append(work_id) if task == "chat.perform_run" else None)
    return given


@pytest.fixture
def place(
    transactional_db: None,
    user: User,
    make_server: Callable[..., McpServer],
    scripted: Served,
    handed: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    monkeypatch.setattr(failures, "PAUSES", (0.0, 0.0, 0.0, 0.0))
    cache.forget()
    server = make_server(name="notes")
    with listening(server.toolbox) as box, running() as runner:
        box.tools |= {
            "echo": lambda arguments: arguments["message"],
            "write": lambda arguments: f"wrote {arguments['path']}",
            "add": lambda arguments: arguments["a"] + arguments["b"],
        }
        tell_tools(server, TOOLS)
        agent = agent_with(user, server)
        agent.grants.update(approval="destructive", on_change="accept")
        provider = scripted_provider(user, scripted)
        conversation = create_conversation(user=user, agent_id=agent.pk)
        yield Place(user, agent, server, provider, box, scripted, runner, conversation, handed)


def permit(place: Place, approval: str) -> None:
    """From now on these of its calls wait for approval."""
    place.agent.grants.update(approval=approval)
    with transaction.atomic():
        touch(agent_ids=[place.agent.pk])


def retell(place: Place, tools: Iterable[dict[str, Any]]) -> None:
    """Its server has these tools from now on."""
    tell_tools(place.server, tools)
