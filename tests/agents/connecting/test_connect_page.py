"""The page that connects clients to an agent."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import ApiToken, AuditEvent, User
from agentopia.settings import ENVIRONMENT
from agents.models import Agent, AgentToken, Grant
from mcp_registry.models import McpServer


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


def page_of(agent: Agent) -> str:
    return f"/agents/{agent.pk}/connect/"


def snippet(page: str, id: str) -> str:
    found = re.search(rf'<pre id="{id}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def test_the_addresses(browser: Client, agent: Agent, make_server: Callable[..., McpServer]) -> None:
    server = make_server(name="weather")
    Grant.objects.create(agent=agent, server=server)
    answer = browser.get(page_of(agent), HTTP_HOST="localhost:8000")
    page = answer.content.decode()
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert snippet(page, "agent-url") == "http://localhost:8000/mcp/helper"
    assert snippet(page, "server-url-1") == "http://localhost:8000/mcp/helper/weather"
    assert json.loads(snippet(page, "cursor-1"))["mcpServers"]["helper"]["headers"] == {"Authorization": "Bearer YOUR_TOKEN"}
    assert not ApiToken.objects.exists()


def test_the_public_address(browser: Client, agent: Agent, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENVIRONMENT, "public_url", "https://agents.example.org")
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://agents.example.org")
    page = browser.get(page_of(agent)).content.decode()
    assert snippet(page, "agent-url") == "https://agents.example.org/mcp/helper"


def test_a_token_is_made_with_one_click_and_shown_once(browser: Client, agent: Agent, user: User) -> None:
    answer = browser.post(page_of(agent))
    page = answer.content.decode()
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    token = snippet(page, "new-token")
    assert token.startswith("agt_")
    for place in ("claude-code-1", "claude-desktop-1", "cursor-1", "windsurf-1", "codex-2", "gemini-cli-1", "other-1", "stdio-1", "curl-1"):
        assert token in snippet(page, place)
    assert token not in snippet(page, "vs-code-1")
    assert "YOUR_TOKEN" not in page
    row = ApiToken.objects.get()
    assert (row.scope, row.digest) == (ApiToken.Scope.AGENTS, ApiToken.digest_of(token))
    assert row.expires_at is not None
    assert timedelta(days=89) < row.expires_at - timezone.now() < timedelta(days=91)
    assert AgentToken.objects.get().agent == agent
    again = browser.get(page_of(agent)).content.decode()
    assert token not in again
    assert row.hint in again
    assert token not in str(list(AuditEvent.objects.values()))


def test_too_many_tokens(browser: Client, agent: Agent, user: User) -> None:
    ApiToken.objects.bulk_create(ApiToken(user=user, name="n", digest=str(n), hint="h") for n in range(services.MOST_TOKENS))
    answer = browser.post(page_of(agent))
    assert answer.status_code == 422
    assert "Revoke those that are not used any more" in answer.content.decode()


def test_another_users_agent(client: Client, agent: Agent, stranger: User) -> None:
    client.force_login(stranger)
    assert [client.get(page_of(agent)).status_code, client.post(page_of(agent)).status_code] == [404, 404]
    assert not ApiToken.objects.exists()


def test_other_methods(browser: Client, agent: Agent) -> None:
    assert browser.put(page_of(agent)).status_code == 405
