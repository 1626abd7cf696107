"""The WebSockets of the pages of toolboxes: who gets in, and what arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from accounts.models import User
from agentopia.lib import live
from agentopia.lib.live import GONE, SIGN_IN_AGAIN
from agentopia.routing import websocket_urlpatterns
from dtma_wire import Phase
from mcp_registry.models import McpServer
from mcp_registry.services.observation import observe
from tests.conftest import state_of
from tests.toolboxes.pages.conftest import Make, load
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.events import record

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = ("", "servers/", "events/", "settings/")


async def opened(path: str, user: User | AnonymousUser, query: str = "") -> ApplicationCommunicator:
    scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(timeout=5))["type"] == "websocket.accept"
    return page


async def text(page: ApplicationCommunicator) -> str:
    return str((await page.receive_output(timeout=5))["text"])


async def leave(page: ApplicationCommunicator) -> None:
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


def change(toolbox: Toolbox, **fields: Any) -> None:
    with transaction.atomic():
        Toolbox.objects.filter(pk=toolbox.pk).update(**fields)
        live.publish(live.owner_group(toolbox.owner_id))


async def test_a_row_of_the_list_changes(make: Make, user: User) -> None:
    toolbox = await sync_to_async(make)("alpha")
    await sync_to_async(make)("beta", state="pending")
    page = await opened("/ws/toolboxes/", user, "state=online&sort=-cpu")
    first = await text(page)
    assert "12 %" in first
    assert "beta" not in first
    await sync_to_async(change)(toolbox, load=load(cpu_percent=97.0))
    later = await text(page)
    assert "97 %" in later
    assert 'id="summary"' not in later, "the summary has not changed"
    await sync_to_async(change)(toolbox, last_seen_at=None, enrolled_at=toolbox.created_at.replace(year=2020))
    gone = await text(page)
    assert "No toolbox is like that" in gone
    assert 'id="summary"' in gone
    await leave(page)


async def test_a_toolbox_is_revoked_before_ones_eyes(make: Make, user: User) -> None:
    toolbox = await sync_to_async(make)()
    page = await opened(f"/ws/toolboxes/{toolbox.pk}/", user)
    assert "Online" in await text(page)
    await sync_to_async(revoke_certificates)(toolbox=toolbox, reason="a test.")
    later = await text(page)
    assert "Its certificates were revoked" in later
    assert "none that counts" in later
    await leave(page)


async def test_an_event_arrives_where_it_is_shown(make: Make, user: User) -> None:
    toolbox = await sync_to_async(make)()
    everything = await opened(f"/ws/toolboxes/{toolbox.pk}/events/", user)
    errors = await opened(f"/ws/toolboxes/{toolbox.pk}/events/", user, "severity=error")
    await text(everything)
    await text(errors)
    await sync_to_async(record)(toolbox=toolbox, kind="odd", text="Something odd.", severity=ToolboxEvent.Severity.WARNING)
    assert "Something odd." in await text(everything)
    assert await errors.receive_nothing(timeout=0.5)
    await leave(everything)
    await leave(errors)


async def test_the_servers_of_a_toolbox(make_server: Callable[..., McpServer], toolbox: Toolbox, user: User) -> None:
    server = await sync_to_async(make_server)()
    page = await opened(f"/ws/toolboxes/{toolbox.pk}/servers/", user)
    assert "Running" in await text(page)
    await sync_to_async(observe)(server_id=server.pk, state=state_of(server, Phase.CRASHED, reason="It ran out of memory."))
    assert "It ran out of memory." in await text(page)
    await leave(page)


async def test_a_toolbox_that_is_removed_meanwhile(make: Make, user: User) -> None:
    toolbox = await sync_to_async(make)()
    overview = await opened(f"/ws/toolboxes/{toolbox.pk}/", user)
    history = await opened(f"/ws/toolboxes/{toolbox.pk}/events/", user)
    await text(overview)
    await text(history)
    await sync_to_async(change)(toolbox, deleted_at=toolbox.created_at)
    assert (await overview.receive_output(timeout=5))["code"] == GONE
    assert "Its history is kept." in await text(history)
    await leave(history)


@pytest.mark.parametrize("view", PAGES)
async def test_a_strangers_toolbox(make: Make, stranger: User, view: str) -> None:
    toolbox = await sync_to_async(make)()
    page = await opened(f"/ws/toolboxes/{toolbox.pk}/{view}", stranger)
    assert (await page.receive_output(timeout=5))["code"] == GONE


@pytest.mark.parametrize("view", PAGES)
async def test_nobody(make: Make, view: str) -> None:
    toolbox = await sync_to_async(make)()
    page = await opened(f"/ws/toolboxes/{toolbox.pk}/{view}", AnonymousUser())
    assert (await page.receive_output(timeout=5))["code"] == SIGN_IN_AGAIN
