"""The WebSocket of a server's page: who gets in, and what arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from accounts.models import User
from agentopia.lib.live import GONE, SIGN_IN_AGAIN
from dtma_wire import Phase
from mcp_registry.models import McpServer
from mcp_registry.routing import websocket_urlpatterns
from mcp_registry.services.observation import observe
from tests.conftest import state_of

pytestmark = pytest.mark.django_db(transaction=True)


async def opened(server: McpServer, user: User | AnonymousUser, view: str = "") -> ApplicationCommunicator:
    scope = {"type": "websocket", "path": f"/ws/servers/{server.pk}/{view}", "query_string": b"", "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(timeout=5))["type"] == "websocket.accept"
    return page


async def test_a_change_arrives_and_only_what_differs(make_server: Callable[..., McpServer], user: User) -> None:
    server = await sync_to_async(make_server)()
    page = await opened(server, user)
    first = (await page.receive_output(timeout=5))["text"]
    assert "Running" in first
    assert "echo" in first

    def crash() -> None:
        with transaction.atomic():
            observe(server_id=server.pk, state=state_of(server, Phase.CRASHED, reason="It ran out of memory."))

    await sync_to_async(crash)()
    later = (await page.receive_output(timeout=5))["text"]
    assert "It ran out of memory." in later
    assert "Says it again." not in later, "the tools have not changed"
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


async def test_another_users_server(make_server: Callable[..., McpServer], transactional_db: None) -> None:
    server = await sync_to_async(make_server)()
    stranger = await sync_to_async(User.objects.create_user)("eve@example.org", "another long password")
    page = await opened(server, stranger)
    assert await page.receive_output(timeout=5) | {"reason": None} == {"type": "websocket.close", "code": GONE, "reason": None}


async def test_nobody(make_server: Callable[..., McpServer]) -> None:
    server = await sync_to_async(make_server)()
    page = await opened(server, AnonymousUser())
    assert await page.receive_output(timeout=5) | {"reason": None} == {"type": "websocket.close", "code": SIGN_IN_AGAIN, "reason": None}
