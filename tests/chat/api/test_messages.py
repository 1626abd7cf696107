"""REST: messages are sent, edited, asked again and stopped, and calls are made with other arguments."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Approval
from agents.services.agents import change_agent, delete_agent
from chat.models import Attachment, Conversation, ModelProvider, Run, Step
from tests.chat.api.conftest import Send
from tests.chat.conftest import MakeRun, step_in, waiting_approval


@pytest.fixture
def messages(conversation: Conversation) -> str:
    return f"/api/v1/conversations/{conversation.pk}/messages/"


@pytest.fixture(autouse=True)
def provider(user: User) -> ModelProvider:
    """Nobody asks it: no worker runs here."""
    return ModelProvider.objects.create(
        owner=user, kind="openai", name="Mine", base_url="http://127.0.0.1:9/v1", default_model="small", tested_at=timezone.now()
    )


def test_a_message_is_a_run(send: Send, conversation: Conversation, messages: str) -> None:
    status, run = send("POST", messages, {"text": "What is the weather\nin Rome?"})
    assert (status, run["status"], run["text"], run["number"], run["steps"]) == (201, "queued", "What is the weather\nin Rome?", 1, [])
    assert send("GET", f"/api/v1/runs/{run['id']}/") == (200, run)
    told = send("GET", f"/api/v1/conversations/{conversation.pk}/")[1]
    assert (told["title"], told["newest_run"]) == ("What is the weather", {"id": run["id"], "status": "queued"})
    status, answer = send("POST", messages, {"text": "And in Paris?"})
    assert (status, answer["code"]) == (409, "run_in_progress")


def test_files_go_with_it(send: Send, messages: str) -> None:
    files = [
        {"name": "notes.txt", "text": " Two\nlines "},
        {"name": "dot.png", "media_type": "image/png", "base64": b64encode(b"\x89PNG\x00").decode()},
    ]
    status, run = send("POST", messages, {"text": "Look.", "attachments": files})
    assert status == 201
    assert [(given["name"], given["media_type"], given["size"]) for given in run["attachments"]] == [
        ("notes.txt", "text/plain", 11),
        ("dot.png", "image/png", 5),
    ]
    assert [bytes(given.content) for given in Attachment.objects.all()] == [b" Two\nlines ", b"\x89PNG\x00"]
    assert send("GET", messages)[1]["results"][0]["attachments"] == run["attachments"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": "a" * 100_001}, "text"),
        ({"text": "a", "attachments": [{"name": "a"}]}, "attachments"),
        ({"text": "a", "attachments": [{"name": "a", "text": "a", "base64": "YQ=="}]}, "attachments"),
        ({"text": "a", "attachments": [{"name": "a", "base64": "§"}]}, "attachments.base64"),
        ({"text": "a", "attachments": [{"name": "", "text": "a"}]}, "attachments.name"),
        ({"text": "a", "attachments": [{"name": "a", "text": "a"}] * 21}, "attachments"),
        ({"text": "a", "attachments": "a"}, "attachments"),
        ([], ""),
    ],
)
def test_what_cannot_be_is_said_per_field(send: Send, conversation: Conversation, messages: str, body: Any, field: str) -> None:
    status, answer = send("POST", messages, body)
    assert (status, [name.partition(".")[0] for name in answer["fields"]]) == (400, [field.partition(".")[0]])
    assert not conversation.runs.exists()


def test_without_a_model_it_says_what_to_do(send: Send, provider: ModelProvider, messages: str) -> None:
    provider.delete()
    status, answer = send("POST", messages, {"text": "Hello"})
    assert (status, answer["code"]) == (409, "no_model")
    assert "model" in answer["detail"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda agent: change_agent(owner=agent.owner, agent_id=agent.pk, enabled=False), "agent_off"),
        (lambda agent: delete_agent(owner=agent.owner, agent_id=agent.pk), "agent_gone"),
    ],
)
def test_without_its_agent_it_does_not_go_on(send: Send, agent: Agent, messages: str, change: Callable[[Agent], None], code: str) -> None:
    change(agent)
    status, answer = send("POST", messages, {"text": "Hello"})
    assert (status, answer["code"]) == (409, code)


def test_what_was_said_is_listed_without_what_was_said_otherwise(send: Send, make_run: MakeRun, messages: str) -> None:
    make_run("One", is_superseded=True)
    two, three = make_run("Two"), make_run("Three", answer="")
    listed = send("GET", messages)[1]
    assert (listed["count"], [run["id"] for run in listed["results"]]) == (2, [str(two.pk), str(three.pk)])
    assert "steps" not in listed["results"][0]
    assert [run["text"] for run in send("GET", f"{messages}?limit=1&offset=1")[1]["results"]] == ["Three"]


def test_an_edit_takes_the_place_of_all_from_there_on(send: Send, make_run: MakeRun, messages: str) -> None:
    make_run("One")
    two, three = make_run("Two"), make_run("Three")
    status, run = send("POST", f"/api/v1/runs/{two.pk}/edit/", {"text": "Two, otherwise"})
    assert (status, run["text"], run["replaces"], run["number"]) == (201, "Two, otherwise", str(two.pk), 4)
    assert [each["text"] for each in send("GET", messages)[1]["results"]] == ["One", "Two, otherwise"]
    assert send("GET", f"/api/v1/runs/{three.pk}/")[1]["is_superseded"] is True
    Run.objects.filter(pk=run["id"]).update(status="succeeded")
    assert send("POST", f"/api/v1/runs/{two.pk}/edit/", {"text": "Two"})[1]["code"] == "run_superseded"
    assert send("POST", f"/api/v1/runs/{run['id']}/edit/", {"text": " "})[0] == 400


def test_the_same_is_asked_again(send: Send, make_run: MakeRun, messages: str) -> None:
    one = make_run("One")
    status, run = send("POST", f"/api/v1/runs/{one.pk}/again/")
    assert (status, run["text"], run["replaces"]) == (201, "One", str(one.pk))
    assert send("POST", f"/api/v1/runs/{run['id']}/again/")[1]["code"] == "run_in_progress"


def test_one_that_waits_is_stopped(send: Send, user: User, agent: Agent, make_run: MakeRun) -> None:
    run = make_run(status=Run.Status.WAITING)
    approval = waiting_approval(user, agent, run)
    step_in(run, status=Step.Status.APPROVAL, approval_id=approval.pk, receipt_id=approval.call_id, result=None)
    status, told = send("POST", f"/api/v1/runs/{run.pk}/cancel/")
    assert (status, told["status"], told["steps"][0]["status"]) == (202, "cancelled", "cancelled")
    assert send("POST", f"/api/v1/runs/{run.pk}/cancel/") == (202, {**told, "ended_at": ANY})
    approval.refresh_from_db()
    assert approval.status == Approval.Status.WITHDRAWN


def test_one_that_a_worker_has_is_told_to_stop(send: Send, make_run: MakeRun) -> None:
    run = make_run(status=Run.Status.RUNNING, lease_until=timezone.now() + timedelta(minutes=1))
    status, told = send("POST", f"/api/v1/runs/{run.pk}/cancel/")
    assert (status, told["status"], told["stopping"]) == (202, "running", True)


CALLED: list[Any] = [
    {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "Read it."}]},
    {"kind": "response", "parts": [{"part_kind": "tool-call", "tool_name": "files__read_file", "tool_call_id": "call_1", "args": {}}]},
]


def test_a_call_is_made_with_other_arguments(send: Send, make_run: MakeRun) -> None:
    run = make_run("Read it.", messages=CALLED)
    step = step_in(run, status=Step.Status.FAILED)
    status, new = send("POST", f"/api/v1/steps/{step.pk}/retry/", {"arguments": {"path": "/tmp/b", "lines": None}})
    assert (status, new["replaces"], new["status"]) == (201, str(run.pk), "queued")
    assert [(each["arguments"], each["status"]) for each in new["steps"]] == [({"path": "/tmp/b", "lines": None}, "pending")]


@pytest.mark.parametrize("body", [{}, {"arguments": []}, {"arguments": "x"}, {"arguments": None}])
def test_arguments_that_are_none(send: Send, make_run: MakeRun, body: Any) -> None:
    step = step_in(make_run(messages=CALLED))
    status, answer = send("POST", f"/api/v1/steps/{step.pk}/retry/", body)
    assert (status, list(answer["fields"])) == (400, ["arguments"])


def test_deleting_a_conversation_stops_what_runs_in_it(
    send: Send, user: User, agent: Agent, conversation: Conversation, make_run: MakeRun
) -> None:
    make_run()
    waiting = make_run(status=Run.Status.WAITING)
    approval = waiting_approval(user, agent, waiting)
    step_in(waiting, status=Step.Status.APPROVAL, approval_id=approval.pk, receipt_id=approval.call_id, result=None)
    assert send("DELETE", f"/api/v1/conversations/{conversation.pk}/")[0] == 204
    approval.refresh_from_db()
    assert approval.status == Approval.Status.WITHDRAWN


def test_another_users_are_not_there(eves: Send, make_run: MakeRun, messages: str, conversation: Conversation) -> None:
    run = make_run()
    step = step_in(run)
    for of_run, of_step in ((run.pk, step.pk), (uuid4(), uuid4())):
        for method, path, body in (
            ("POST", f"/api/v1/runs/{of_run}/edit/", {"text": "Mine"}),
            ("POST", f"/api/v1/runs/{of_run}/edit/", {}),
            ("POST", f"/api/v1/runs/{of_run}/again/", None),
            ("POST", f"/api/v1/runs/{of_run}/cancel/", None),
            ("POST", f"/api/v1/steps/{of_step}/retry/", {"arguments": {}}),
            ("POST", f"/api/v1/steps/{of_step}/retry/", {}),
        ):
            assert (path, eves(method, path, body)[0]) == (path, 404)
    assert eves("GET", messages)[0] == 404
    assert eves("POST", messages, {"text": "Mine"})[0] == 404
    assert conversation.runs.count() == 1
