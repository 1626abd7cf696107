"""The page of one's API tokens: what they are for, until when, and how often they may call."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, User
from agents.models import Agent, AgentToken
from agents.services.tokens import make_agent_token

PAGE = "/account/tokens/"


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


def shown(browser: Client) -> str:
    return " ".join(browser.get(PAGE).content.decode().split())


def test_a_token_for_an_agent(browser: Client, agent: Agent) -> None:
    given = {"name": "laptop", "scope": "agents", "agents": [str(agent.pk)], "expires": "30", "calls_per_minute": "60"}
    answer = browser.post(PAGE, given)
    assert answer.status_code == 200
    assert re.search(r"agt_[\w-]{43}", answer.content.decode())
    row = ApiToken.objects.get()
    assert (row.scope, row.calls_per_minute) == ("agents", 60)
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - timezone.now() < timedelta(days=31)
    assert AgentToken.objects.get().agent == agent
    page = shown(browser)
    assert "<span>Helper</span>" in page
    assert "60 calls a minute" in page
    assert "until " in page
    assert AuditEvent.objects.get(action="token.made").summary == "For “Helper”"


def test_agents_are_offered_once_there_are_some(browser: Client, user: User, stranger: User) -> None:
    Agent.objects.create(owner=stranger, name="Not mine", slug="theirs")
    assert "Which agents?" not in shown(browser)
    Agent.objects.create(owner=user, name="Mine", slug="mine")
    page = shown(browser)
    assert "Which agents?" in page
    assert "Not mine" not in page


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"scope": "agents"}, "Choose at least one agent."),
        ({"scope": "agents", "agents": ["6c4f3f1e-0000-4000-8000-000000000000"]}, "One of these agents is not there any more."),
        ({"scope": "agents", "agents": ["no id"]}, "is not a valid"),
        ({"scope": "everything"}, ""),
        ({"expires": "31"}, ""),
        ({"calls_per_minute": "0"}, "greater than or equal to 1"),
        ({"calls_per_minute": "many"}, "Enter a whole number."),
    ],
)
def test_what_cannot_be_is_said(browser: Client, agent: Agent, given: dict[str, object], sentence: str) -> None:
    answer = browser.post(PAGE, {"name": "laptop", **given})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_another_users_agent_cannot_be_chosen(browser: Client, stranger: User, agent: Agent) -> None:
    theirs = Agent.objects.create(owner=stranger, name="Not mine", slug="theirs")
    answer = browser.post(PAGE, {"name": "laptop", "scope": "agents", "agents": [str(agent.pk), str(theirs.pk)]})
    assert answer.status_code == 422
    assert "Not mine" not in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_what_has_ended_is_marked(browser: Client, user: User, agent: Agent) -> None:
    row = make_agent_token(user=user, name="old", agents=[agent.pk], expires_at=timezone.now() + timedelta(days=1)).row
    ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ">Over<" in shown(browser)
    agent.delete()
    assert "for no agent any more" in shown(browser)


def test_many_tokens_take_as_many_queries_as_one(browser: Client, user: User, agent: Agent, django_assert_max_num_queries: object) -> None:
    for number in range(30):
        make_agent_token(user=user, name=f"token {number}", agents=[agent.pk])
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        browser.get(PAGE)
