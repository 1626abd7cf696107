"""What the pages hear of while they are open; and that nobody hears of another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.utils import timezone

from accounts.models import User
from agentopia.lib import live
from agentopia.lib.live import GONE
from agentopia.routing import websocket_urlpatterns
from agents.approvals import Verdict, decide, expire_due
from agents.models import Approval, ToolCall
from tests.agents.receipts.conftest import Receipt, Waiting

pytestmark = pytest.mark.django_db(transaction=True)


class Page:
    """A page's WebSocket."""

    def __init__(self, path: str, user: User) -> None:
        path, _, query = path.partition("?")
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "user": user}
        self.socket = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)

    async def until(self, text: str, seconds: float = 10) -> str:
        """What is sent with this text in it."""
        while True:
            message = await self.socket.receive_output(timeout=seconds)
            if text in message.get("text", ""):
                return str(message["text"])


@asynccontextmanager
async def opened(path: str, user: User) -> AsyncIterator[Page]:
    page = Page(path, user)
    await page.socket.send_input({"type": "websocket.connect"})
    assert (await page.socket.receive_output(timeout=5))["type"] == "websocket.accept"
    yield page
    await page.socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.socket.wait(timeout=5)


async def written(make: Any, *args: Any, **fields: Any) -> Any:
    return await database_sync_to_async(make)(*args, **fields)


async def test_the_list_shows_calls_as_they_come_and_end(user: User, receipt: Receipt) -> None:
    async with opened("/ws/calls/?via=api", user) as page:
        await page.until("No receipt matches")
        await written(receipt, tool_name="elsewhere", via="chat")
        call = await written(receipt, tool_name="news", via="api", status="running", ended_at=None)
        assert "elsewhere" not in await page.until("news")
        await ToolCall.objects.filter(pk=call.pk).aupdate(status="failed", error_message="Gone.")
        await page.until("Gone.")


async def test_one_receipt_until_it_has_ended(user: User, receipt: Receipt) -> None:
    call = await written(receipt, status="running", result=None, duration_ms=None)
    async with opened(f"/ws/calls/{call.pk}/", user) as page:
        await page.until("running")
        await ToolCall.objects.filter(pk=call.pk).aupdate(status="succeeded", result={"content": [{"type": "text", "text": "the end"}]})
        await page.until("the end")
        await ToolCall.objects.filter(pk=call.pk).adelete()
        while (message := await page.socket.receive_output(timeout=10))["type"] != "websocket.close":
            pass
        assert message["code"] == GONE


async def test_a_run_grows(user: User, receipt: Receipt) -> None:
    run = uuid4()
    await written(receipt, run=run, tool_name="first")
    async with opened(f"/ws/calls/runs/{run}/", user) as page:
        await page.until("first")
        await written(receipt, run=run, tool_name="second")
        await page.until("second")


async def test_the_inbox_hears_of_calls_and_of_decisions(user: User, waiting: Waiting) -> None:
    async with opened("/ws/approvals/", user) as page:
        await page.until("Nothing waits for you")
        approval = await written(waiting)
        await written(announce, user)
        text = await page.until("/srv/notes.txt")
        assert 'id="approvals-count" data-tone="accent">1<' in text
        await written(decide, owner=user, approval_id=approval.pk, verdict=Verdict.REFUSE, note="No.")
        assert "“No.”" in await page.until("Nothing waits for you")


def announce(user: User) -> None:
    live.publish(live.owner_group(user.pk), live.everywhere_group(user.pk))


async def test_the_count_is_live_on_other_pages_too(user: User, waiting: Waiting) -> None:
    first = await written(waiting)
    await written(waiting)
    async with opened("/ws/servers/", user) as page:
        await page.until('id="approvals-count" data-tone="accent">2<')
        await written(decide, owner=user, approval_id=first.pk, verdict=Verdict.APPROVE)
        await page.until('id="approvals-count" data-tone="accent">1<')
        await Approval.objects.filter(status="waiting").aupdate(expires_at=timezone.now() - timedelta(seconds=1))
        assert await written(expire_due) == 1
        await page.until('id="approvals-count" data-tone="accent"></span>')


async def test_the_page_of_one_hears_of_a_decision_elsewhere_and_leaves_the_form_alone(user: User, waiting: Waiting) -> None:
    approval = await written(waiting)
    async with opened(f"/ws/approvals/{approval.pk}/", user) as page:
        assert 'id="decision"' not in await page.until("waits for you"), "it would take what was typed"
        await written(decide, owner=user, approval_id=approval.pk, verdict=Verdict.APPROVE)
        text = await page.until("Approved by ada@example.org")
        assert ('id="decision"' in text, 'id="approve-form"' in text) == (True, False)


@pytest.mark.parametrize("path", ["calls/{call}/", "calls/runs/{run}/", "approvals/{approval}/"])
async def test_nobody_hears_of_anothers(waiting: Waiting, stranger: User, path: str) -> None:
    approval = await written(waiting)
    run = uuid4()
    await ToolCall.objects.filter(pk=approval.call_id).aupdate(run=run)
    async with opened("/ws/" + path.format(call=approval.call_id, run=run, approval=approval.pk), stranger) as page:
        message = await page.socket.receive_output(timeout=5)
        assert (message["type"], message.get("code")) == ("websocket.close", GONE)


async def test_lists_hold_ones_own_alone(waiting: Waiting, stranger: User) -> None:
    await written(waiting)
    for path, text in (("calls/", "Nothing was called yet"), ("approvals/", "Nothing waits for you")):
        async with opened(f"/ws/{path}", stranger) as page:
            told = await page.until(text)
            assert ("write_file" in told, 'data-tone="accent"></span>' in told) == (False, True)
