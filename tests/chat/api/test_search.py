"""Conversations are found by words of their titles and of what was said."""

from __future__ import annotations

import pytest

from accounts.models import User
from agents.models import Agent
from agents.services.agents import create_agent
from chat.models import Conversation, Run, Words
from chat.searching import conversations_found, words_of
from chat.services.conversations import create_conversation
from tests.chat.conftest import MakeRun, run_in


def found(user: User, search: str) -> list[str]:
    return [conversation.title for conversation in conversations_found(user, search)]


@pytest.fixture
def titled(user: User, agent: Agent) -> dict[str, Conversation]:
    titles = ("Groceries for Sunday", "Deploying the café", "天気について", "100% (done)")
    return {title: create_conversation(user=user, agent_id=agent.pk, title=title) for title in titles}


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("groceries", ["Groceries for Sunday"]),
        ("SUNDAY gro", ["Groceries for Sunday"]),
        ("eploy CAFÉ", ["Deploying the café"]),
        ("天気", ["天気について"]),
        ("について", ["天気について"]),
        ("%", ["100% (done)"]),
        ("(done)", ["100% (done)"]),
        ("Sunday café", []),
        ("'; DROP TABLE", []),
        ("a:* & !b | <-> \\", []),
        ("\x00", ["100% (done)", "天気について", "Deploying the café", "Groceries for Sunday"]),
    ],
)
def test_titles(user: User, titled: dict[str, Conversation], search: str, expected: list[str]) -> None:
    assert found(user, search) == expected


@pytest.mark.parametrize(
    "search",
    [
        "quarterly",
        "QUART",
        "report.csv",
        "csv",
        "/srv/reports",
        "read_file",
        "read file",
        "ada@example.org",
        "naïve",
        "“naïve”",
        "मौसम",
        "42",
    ],
)
def test_what_was_said(user: User, conversation: Conversation, search: str) -> None:
    run_in(conversation, "The quarterly numbers of /srv/reports/report.csv, read_file", answer="For ada@example.org: a naïve **42**, मौसम.")
    run_in(conversation, "Something else")
    assert list(conversations_found(user, search)) == [conversation]
    assert not conversations_found(user, f"{search} nothing").exists()


def test_words_follow_what_is_said(user: User, conversation: Conversation) -> None:
    run = run_in(conversation, "Asked about llamas", answer="", status=Run.Status.RUNNING)
    assert conversations_found(user, "llamas").exists()
    Run.objects.filter(pk=run.pk).update(answer="They spit.")
    assert conversations_found(user, "spit llam").exists()
    Run.objects.filter(pk=run.pk).update(is_superseded=True)
    assert not conversations_found(user, "llamas").exists()
    conversation.delete()
    assert not Words.objects.exists()


def test_what_is_very_long_is_found_by_its_beginning(user: User, make_run: MakeRun) -> None:
    """A search vector holds a megabyte at most: however many different words are said, a run can be written."""
    letters = "".join(f"{chr(0x4E00 + number)} " for number in range(20_000))
    make_run("Beginning " + letters + letters, answer=letters * 5 + " ".join(f"w{number}" for number in range(200_000)))
    assert conversations_found(user, "beginning").exists()


def test_another_users_words_are_not_found(user: User, stranger: User, conversation: Conversation) -> None:
    run_in(conversation, "A secret")
    theirs = create_conversation(user=stranger, agent_id=create_agent(owner=stranger, name="Theirs").pk)
    run_in(theirs, "A secret of another")
    assert list(conversations_found(user, "secret")) == [conversation]
    assert list(conversations_found(stranger, "secret")) == [theirs]


def test_only_words_are_looked_for() -> None:
    assert words_of("a-b_c  ‘d’ e\u0301 🙂 a") == ["a", "b", "c", "d", "e\u0301"]
    assert len(words_of(" ".join(map(str, range(50))))) == 8
