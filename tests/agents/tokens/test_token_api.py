"""REST: one's API tokens, and what a token may not do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, User
from accounts.services import create_api_token, make_token
from agents.models import Agent
from agents.services.tokens import make_agent_token

TOKENS = "/api/v1/tokens/"


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


def with_token(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_making_listing_and_revoking(api: APIClient, agent: Agent) -> None:
    made = api.post(TOKENS, {"name": "laptop", "agents": [str(agent.pk)], "calls_per_minute": 5}, format="json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    assert made.data["token"].startswith("agt_")
    assert (made.data["scope"], made.data["agents"], made.data["calls_per_minute"]) == ("agents", ["helper"], 5)
    listed = {row["name"]: row for row in api.get(TOKENS).data["results"]}
    assert (listed["test"]["scope"], listed["test"]["agents"]) == ("account", None)
    assert "token" not in listed["laptop"]
    assert "digest" not in listed["laptop"]
    assert api.delete(f"{TOKENS}{made.data['id']}/").status_code == 204
    assert api.delete(f"{TOKENS}{made.data['id']}/").status_code == 404


def test_who_is_signed_in_makes_any_token(browser: Client) -> None:
    answer = browser.post(TOKENS, {"name": "all"}, "application/json")
    assert (answer.status_code, answer.json()["scope"]) == (201, "account")
    assert with_token(answer.json()["token"]).get("/api/v1/servers/").status_code == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"agents": []}, "agents"),
        ({"agents": ["6c4f3f1e-0000-4000-8000-000000000000"]}, "agents"),
        ({"agents": "all"}, "agents"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"calls_per_minute": 0}, "calls_per_minute"),
    ],
)
def test_what_cannot_be(browser: Client, agent: Agent, given: dict[str, object], field: str) -> None:
    answer = browser.post(TOKENS, {"name": "laptop", "agents": [str(agent.pk)], **given}, "application/json")
    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    assert not ApiToken.objects.exists()


def test_a_token_makes_no_more_than_it_is(user: User, agent: Agent) -> None:
    """Whoever steals one cannot keep what it gives by making another one."""
    end = timezone.now() + timedelta(hours=1)
    client = with_token(make_token(user=user, name="short", expires_at=end).text)
    assert client.post(TOKENS, {"name": "for ever"}, format="json").data["code"] == "sign_in_needed"
    longer = client.post(
        TOKENS, {"name": "longer", "agents": [str(agent.pk)], "expires_at": (end + timedelta(days=1)).isoformat()}, format="json"
    )
    assert (longer.status_code, list(longer.data["fields"])) == (400, ["expires_at"])
    assert client.post(TOKENS, {"name": "as long", "agents": [str(agent.pk)]}, format="json").status_code == 201
    assert ApiToken.objects.get(name="as long").expires_at == end


def test_another_users_things(api: APIClient, stranger: User) -> None:
    theirs = make_token(user=stranger, name="theirs").row
    hers = Agent.objects.create(owner=stranger, name="Hers", slug="hers")
    assert [row["name"] for row in api.get(TOKENS).data["results"]] == ["test"]
    assert api.delete(f"{TOKENS}{theirs.pk}/").status_code == 404
    assert api.post(TOKENS, {"name": "x", "agents": [str(hers.pk)]}, format="json").status_code == 400
    assert ApiToken.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("path", ["/api/v1/servers/", "/api/v1/audit/", "/api/v1/tokens/", "/api/v1/agents/"])
def test_a_token_for_agents_is_for_the_gateway_alone(user: User, agent: Agent, path: str) -> None:
    answer = with_token(make_agent_token(user=user, name="one", agents=[agent.pk]).text).get(path)
    assert (answer.status_code, answer.data["code"]) == (403, "token_for_agents")
    assert "gateway" in answer.data["detail"]


def test_a_token_whose_time_is_over(user: User) -> None:
    made = make_token(user=user, name="short", expires_at=timezone.now() + timedelta(minutes=1))
    client = with_token(made.text)
    assert client.get("/api/v1/servers/").status_code == 200
    ApiToken.objects.filter(pk=made.row.pk).update(expires_at=timezone.now())
    answer = client.get("/api/v1/servers/")
    assert (answer.status_code, answer.data["code"]) == (401, "token_expired")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_token_opens_no_page_and_no_socket(user: User) -> None:
    """Pages and their sockets know sessions alone."""
    token = create_api_token(user=user, name="all")
    answer = Client().get("/servers/", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer["Location"].startswith("/accounts/login/")) == (302, True)
