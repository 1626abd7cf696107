"""The WebSockets of the pages about a server's configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter

from accounts.models import User
from agentopia.lib.live import GONE
from mcp_registry.configuring.changes import Change
from mcp_registry.models import McpServer
from mcp_registry.routing import websocket_urlpatterns
from mcp_registry.services.configuration import configure_server
from mcp_registry.services.servers import delete_server

pytestmark = pytest.mark.django_db(transaction=True)
type Make = Callable[..., McpServer]


@asynccontextmanager
async def opened(path: str, user: User, query: str = "") -> AsyncIterator[ApplicationCommunicator]:
    scope = {"type": "websocket", "path": f"/ws/servers/{path}", "query_string": query.encode(), "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(timeout=5))["type"] == "websocket.accept"
    yield page
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


async def until(page: ApplicationCommunicator, text: str) -> str:
    """The first message that has this in it."""
    while True:
        message: str = (await page.receive_output(timeout=5))["text"]
        if text in message:
            return message


def configure(server: McpServer, **change: object) -> None:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(**change))  # type: ignore[arg-type]


async def test_the_settings_tell_what_was_changed_since_they_were_shown(make_server: Make, user: User) -> None:
    server = await sync_to_async(make_server)()
    async with opened(f"{server.pk}/settings/", user, "base=1") as page:
        first = await until(page, 'id="meanwhile"')
        assert "It was changed meanwhile" not in first
        await sync_to_async(configure)(server, overrides={"memory_mb": 300})
        told = await until(page, "It was changed meanwhile")
        assert "Generation 2: Memory: 512 MB → 300 MB, by ada@example.org" in told
        assert "<input" not in told, "what is typed is not touched"


async def test_the_history_gets_a_generation_more(make_server: Make, user: User) -> None:
    server = await sync_to_async(make_server)()
    async with opened(f"{server.pk}/history/", user) as page:
        assert 'id="generation-1"' in await until(page, 'id="generations"')
        await sync_to_async(configure)(server, overrides={"restart": "never"})
        assert "Restart policy: always → never" in await until(page, 'id="generation-2"')


async def test_what_is_kept_is_listed_as_soon_as_it_is(make_server: Make, user: User) -> None:
    server = await sync_to_async(make_server)()
    async with opened("kept/", user) as page:
        await until(page, "Nothing is kept")
        await sync_to_async(delete_server)(owner=user, server_id=server.pk, keep_volumes=True)
        assert f'id="restore-{server.pk}"' in await until(page, "is being deleted, its data is kept")


async def test_another_users_settings_are_not_shown(make_server: Make) -> None:
    server = await sync_to_async(make_server)()
    stranger = await sync_to_async(User.objects.create_user)("eve@example.org", "another long password")
    async with opened(f"{server.pk}/settings/", stranger) as page:
        assert (await page.receive_output(timeout=5))["code"] == GONE
