"""Runs whose tools are real: a DTMA and a server in a container, which is killed in the middle too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from docker import DockerClient

from accounts.models import User
from agentopia.lib import leases
from agents.models import Grant
from agents.toolsets import cache
from bench.scripted.serving import Served
from chat.models import Conversation, Question, Run, Step
from chat.running import failures
from chat.running.engine import EngineThread
from chat.services.conversations import create_conversation
from chat.services.messages import send_message
from chat.services.questions import answer_question
from chat.services.runs import stop_run
from mcp_registry.models import CatalogEntry, McpServer
from tests.agents.granting import agent_with
from tests.chat.running.conftest import check_order, running, scripted_provider, step_of, until
from tests.dtma.agent import Agent, spec_of
from tests.dtma.conftest import engine, image
from tests.gateway.place import deployed, own_agent, toolbox_of

__all__ = ["engine", "image"]


@pytest.fixture(scope="module")
def host(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with own_agent(engine, tmp_path_factory.mktemp("dtma")) as agent:
        yield agent


@dataclass
class Real:
    """An agent of the user's that may use the server ``older`` freely."""

    user: User
    host: Agent
    server: McpServer
    conversation: Conversation
    model: Served
    runner: EngineThread


@pytest.fixture
def real(
    transactional_db: None,
    host: Agent,
    image: str,
    user: User,
    catalog: dict[str, CatalogEntry],
    scripted: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Real]:
    handed: list[UUID] = []
    monkeypatch.setattr(leases, "hand_over", lambda task, work_id: handed.append(work_id))
    monkeypatch.setattr(failures, "PAUSES", (0.0, 0.0, 0.0, 0.0))
    cache.forget()
    toolbox = toolbox_of(host, user)
    server = deployed(host, toolbox, catalog["everything"], older=spec_of(image, "older"))["older"]
    agent = agent_with(user, server, approval=Grant.Approval.NEVER)
    scripted_provider(user, scripted)
    with running() as runner:
        yield Real(user, host, server, create_conversation(user=user, agent_id=agent.pk), scripted, runner)


def container_of(engine: DockerClient, server: McpServer) -> Any:
    return engine.containers.list(filters={"label": f"io.agentopia.server={server.pk}"})[0]


def said(real: Real, text: str) -> Run:
    return send_message(user=real.user, conversation_id=real.conversation.pk, text=text)


def test_a_server_asks_its_user_and_the_model(real: Real) -> None:
    run = said(real, "call older__quiz {}")
    thread = threading.Thread(target=real.runner.perform, args=(run.pk,))
    thread.start()
    question = until(lambda: Question.objects.filter(step__run=run).first())
    answer_question(user=real.user, question_id=question.pk, action="accept", content={"word": "rosebud"})
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert "rosebud" in run.answer
    assert "You said: And?" in run.answer
    assert run.events.filter(kind="tool.progress").exists()
    check_order(run)


def test_stopped_on_the_toolbox_too(real: Real) -> None:
    run = said(real, 'call older__hold {"gate": "never"}')
    thread = threading.Thread(target=real.runner.perform, args=(run.pk,))
    thread.start()
    until(lambda: run.events.filter(kind="tool.progress").exists())
    stop_run(user=real.user, run_id=run.pk)
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
    after = said(real, "call older__seen {}")
    real.runner.perform(after.pk)
    after.refresh_from_db()
    assert "notifications/cancelled" in after.answer


def test_a_server_killed_in_the_middle(real: Real, engine: DockerClient) -> None:
    run = said(real, 'call older__hold {"gate": "never"}')
    thread = threading.Thread(target=real.runner.perform, args=(run.pk,))
    thread.start()
    until(lambda: run.events.filter(kind="tool.progress").exists())
    container_of(engine, real.server).kill()
    thread.join()
    run.refresh_from_db()
    step = step_of(run)
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert step.status == Step.Status.INTERRUPTED
    assert "Nobody knows" in run.answer
    again = said(real, 'call older__length {"text": "abc"}')  # while the server comes back
    real.runner.perform(again.pk)
    again.refresh_from_db()
    assert again.status == Run.Status.SUCCEEDED, again.error_message
    assert step_of(again).status == Step.Status.SUCCEEDED, step_of(again).error_message
    assert "3" in again.answer
