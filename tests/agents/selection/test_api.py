"""GET /api/v1/agents/{id}/tools/"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from agents.models import Agent
from mcp_registry.models import McpServer
from tests.agents.granting import agent_with, tell_tools, tool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(user: User, make_server: Callable[..., McpServer]) -> Agent:
    server = make_server(name="office")
    tell_tools(
        server, [tool("send_message", "Sends an e-mail."), tool("create_issue", "Opens an issue.", annotations={"readOnlyHint": False})]
    )
    return agent_with(user, server)


def test_ranked_for_a_query(api: APIClient, agent: Agent) -> None:
    answer = api.get(f"/api/v1/agents/{agent.pk}/tools/", {"query": "open an issue", "limit": 1})
    assert answer.status_code == 200
    assert answer.json()["count"] == 2
    (found,) = answer.json()["results"]
    assert (found["name"], found["server"], found["tool"]) == ("office__create_issue", "office", "create_issue")
    assert found["score"] == pytest.approx(1)
    assert found["why"][0] == "“issue” in its name."
    assert found["annotations"] == {"readOnlyHint": False}
    assert found["input_schema"]["type"] == "object"


def test_all_without_a_query(api: APIClient, agent: Agent) -> None:
    found = api.get(f"/api/v1/agents/{agent.pk}/tools/").json()["results"]
    assert [(each["tool"], each["score"], each["why"]) for each in found] == [("send_message", None, []), ("create_issue", None, [])]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": "many"}, {"limit": 501}, {"query": "x" * 9000}])
def test_wrong_parameters_are_told(api: APIClient, agent: Agent, wrong: dict[str, str]) -> None:
    answer = api.get(f"/api/v1/agents/{agent.pk}/tools/", wrong)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == set(wrong)


def test_not_of_another_users_agent(agent: Agent, stranger: User) -> None:
    client = APIClient()
    client.force_login(stranger)
    assert client.get(f"/api/v1/agents/{agent.pk}/tools/").status_code == 404
