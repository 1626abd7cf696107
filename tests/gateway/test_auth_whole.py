"""The doors of the whole ASGI application: the gateway's addresses pass by Django, and nothing else lets a token in."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from accounts.models import User
from accounts.services import create_api_token
from agentopia import asgi
from agentopia.lib.live import SIGN_IN_AGAIN
from agents.models import Agent
from agents.services.tokens import make_agent_token
from gateway import app
from tests.gateway.asking import HOST, answer_of, bearer, scope_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


async def test_the_metadata_is_there_for_everybody() -> None:
    scope = scope_of("/.well-known/oauth-protected-resource/mcp/helper", method="GET")
    answer = await answer_of(asgi.http, scope)
    assert (answer.status, answer.json["resource"]) == (200, "http://127.0.0.1:8000/mcp/helper")


@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ([], HOST, 401),
        ([bearer("agt_wrong")], HOST, 401),
        ([], (b"host", b"evil.example"), 421),
        ([(b"origin", b"https://evil.example")], HOST, 403),
        ([(b"cookie", b"sessionid=x")], HOST, 401),
        ([(b"content-length", b"99999999")], HOST, 413),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_who_is_not_let_in(agent: Agent, headers: Any, host: Any, status: int, method: str) -> None:
    async with app.serving():
        answer = await answer_of(asgi.http, scope_of("/mcp/helper", *headers, method=method, host=host), b"{}")
    assert answer.status == status
    assert ("resource_metadata=" in answer.headers.get("www-authenticate", "")) == (status == 401)


async def test_a_session_of_the_dashboard_opens_no_gateway(agent: Agent, user: User, browser: Any) -> None:
    """A page that somebody lures its user to can do nothing here."""
    cookie = (b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode())
    async with app.serving():
        answer = await answer_of(asgi.http, scope_of("/mcp/helper", cookie), b"{}")
    assert answer.status == 401


@pytest.mark.parametrize("path", ["/ws/audit/", "/ws/home/"])
async def test_no_token_opens_a_socket(agent: Agent, user: User, path: str) -> None:
    for token in (
        await sync_to_async(create_api_token)(user=user, name="all"),
        (await sync_to_async(make_agent_token)(user=user, name="one", agents=[agent.pk])).text,
    ):
        headers = [HOST, (b"origin", b"http://127.0.0.1:8000"), bearer(token)]
        scope = {"type": "websocket", "path": path, "query_string": f"token={token}".encode(), "headers": headers, "subprotocols": []}
        page = ApplicationCommunicator(asgi.application, scope)
        await page.send_input({"type": "websocket.connect"})
        messages = [await page.receive_output(timeout=10), await page.receive_output(timeout=10)]
        assert [(message["type"], message.get("code")) for message in messages][-1] == ("websocket.close", SIGN_IN_AGAIN)
        await page.send_input({"type": "websocket.disconnect", "code": SIGN_IN_AGAIN})
        await page.wait(timeout=10)
