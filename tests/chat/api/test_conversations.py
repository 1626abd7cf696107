"""REST: conversations are listed, begun, renamed, pinned, exported and deleted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from agents.models import Agent
from agents.services.agents import create_agent, delete_agent
from chat.models import Attachment, Conversation, Question, Run, RunEvent, Step, Words
from chat.services import conversations
from chat.services.conversations import create_conversation, title_from
from tests.chat.api.conftest import Send
from tests.chat.conftest import MakeRun, events_in, run_in, step_in

ALL = "/api/v1/conversations/"


def test_one_is_begun_read_renamed_and_deleted(send: Send, agent: Agent) -> None:
    status, made = send("POST", ALL, {"agent": str(agent.pk)})
    assert status == 201
    assert (made["agent"], made["agent_name"], made["title"], made["pinned"], made["newest_run"]) == (
        str(agent.pk),
        "Helper",
        "",
        False,
        None,
    )
    one = f"{ALL}{made['id']}/"
    assert send("GET", one) == (200, made)
    assert send("GET", ALL) == (200, {"count": 1, "next": None, "previous": None, "results": [made]})
    status, changed = send("PATCH", one, {"title": "  My  weather\n"})
    assert (status, changed) == (200, {**made, "title": "My weather"})
    assert send("PATCH", one, {"pinned": True})[1]["pinned"] is True
    assert send("PATCH", one, {})[1] == {**changed, "pinned": True}
    assert send("DELETE", one) == (204, None)
    assert send("GET", one)[0] == 404
    assert send("DELETE", one)[0] == 404


def test_a_name_of_ones_own_is_let_go_of(send: Send, conversation: Conversation, make_run: MakeRun) -> None:
    make_run("What is the weather\nin Rome?")
    one = f"{ALL}{conversation.pk}/"
    send("PATCH", one, {"title": "Mine"})
    conversation.refresh_from_db()
    assert conversation.is_renamed
    assert send("PATCH", one, {"title": " "})[1]["title"] == "What is the weather"
    conversation.refresh_from_db()
    assert not conversation.is_renamed


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        ("\n\n  Hello   world \nmore", "Hello world"),
        ("word " * 30, ("word " * 16).strip() + "…"),
        ("x" * 100, "x" * 80 + "…"),
        ("short " + "x" * 100, "short " + "x" * 74 + "…"),
    ],
)
def test_a_title_is_the_beginning_of_what_was_said(text: str, title: str) -> None:
    assert title_from(text) == title


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "agent"),
        ({"agent": "x"}, 400, "agent"),
        ({"agent": str(uuid4())}, 404, ""),
        ({"agent": None}, 400, "agent"),
        ({"title": "x" * 201}, 400, "title"),
        ({"title": "a\0b"}, 400, "title"),
        ([], 400, ""),
    ],
)
def test_one_that_cannot_be(send: Send, user: User, agent: Agent, body: Any, status: int, field: str) -> None:
    if "title" in body:
        body["agent"] = str(agent.pk)
    got, answer = send("POST", ALL, body)
    assert (got, list(answer["fields"])) == (status, [field] if field or status == 400 else [])
    assert not user.conversations.exists()


def test_there_are_only_so_many(send: Send, conversation: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_CONVERSATIONS", 1)
    status, answer = send("POST", ALL, {"agent": str(conversation.agent_id)})
    assert (status, answer["code"]) == (409, "too_many_conversations")


def test_the_pinned_ones_go_first_and_pages_follow(send: Send, user: User, agent: Agent) -> None:
    made = [create_conversation(user=user, agent_id=agent.pk, title=f"Topic {number}") for number in range(5)]
    send("PATCH", f"{ALL}{made[1].pk}/", {"pinned": True})
    send("PATCH", f"{ALL}{made[0].pk}/", {"pinned": True})
    first = send("GET", f"{ALL}?limit=3")[1]
    assert [row["title"] for row in first["results"]] == ["Topic 0", "Topic 1", "Topic 4"]
    assert first["count"] == 5
    rest = send("GET", first["next"])[1]
    assert [row["title"] for row in rest["results"]] == ["Topic 3", "Topic 2"]
    assert [row["title"] for row in send("GET", f"{ALL}?search=topic&limit=1&offset=1")[1]["results"]] == ["Topic 1"]


def test_the_newest_run_is_told(send: Send, conversation: Conversation, make_run: MakeRun) -> None:
    make_run()
    newest = make_run(status=Run.Status.WAITING)
    assert send("GET", ALL)[1]["results"][0]["newest_run"] == {"id": str(newest.pk), "status": "waiting"}


def test_without_its_agent_it_can_be_read(send: Send, user: User, agent: Agent, conversation: Conversation) -> None:
    delete_agent(owner=user, agent_id=agent.pk)
    status, answer = send("GET", f"{ALL}{conversation.pk}/")
    assert (status, answer["agent"], answer["agent_name"]) == (200, None, "Helper")


def test_all_of_it_goes_and_only_that(send: Send, user: User, agent: Agent, conversation: Conversation, make_run: MakeRun) -> None:
    other = create_conversation(user=user, agent_id=agent.pk)
    run_in(other)
    run = make_run("Secret plans")
    make_run(replaces=run)
    step = step_in(run)
    Question.objects.create(step=step, message="?", expires_at=run.created_at)
    Attachment.objects.create(run=run, name="a.txt", media_type="text/plain", size=1, content=b"a")
    events_in(run, ("run.started", {"attempt": 1}))
    conversation.title = "Secret plans"
    conversation.save()
    assert send("DELETE", f"{ALL}{conversation.pk}/")[0] == 204
    for model in (Step, RunEvent, Question, Attachment):
        assert not model.objects.exists()
    assert Run.objects.get().conversation == other
    assert Words.objects.get().conversation == other
    event = AuditEvent.objects.get(action="conversation.deleted")
    assert (event.target_id, event.owner_id) == (str(conversation.pk), user.pk)
    assert "Secret" not in event.body


def test_another_users_are_not_there(eves: Send, stranger: User, conversation: Conversation, agent: Agent) -> None:
    one = f"{ALL}{conversation.pk}/"
    for method, path, body in (
        ("GET", one, None),
        ("PATCH", one, {"title": "Mine now"}),
        ("PATCH", one, {"title": 7 * "x" * 200}),
        ("DELETE", one, None),
        ("GET", f"{one}export/", None),
        ("POST", ALL, {"agent": str(agent.pk)}),
    ):
        assert (method, path, eves(method, path, body)[0]) == (method, path, 404)
    assert eves("GET", ALL)[1]["count"] == 0
    assert not stranger.conversations.exists()


@pytest.mark.parametrize("search", ["", "?search=topic", "?search=weather"])
def test_queries_do_not_grow(send: Send, user: User, agent: Agent, search: str) -> None:
    counts = []
    for _ in range(2):
        for _ in range(4):
            run_in(create_conversation(user=user, agent_id=agent.pk, title="A topic"))
        with CaptureQueriesContext(connection) as queries:
            assert send("GET", f"{ALL}{search}")[1]["count"] > 0
        counts.append(len(queries))
    assert counts[1] <= counts[0] <= 6  # the first one also notes that the token was used


def test_an_agent_of_another(send: Send, stranger: User) -> None:
    theirs = create_agent(owner=stranger, name="Theirs")
    assert send("POST", ALL, {"agent": str(theirs.pk)})[1]["code"] == "agent_not_found"
