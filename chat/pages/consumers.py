"""The WebSockets of the chat's pages.

A conversation's page has two things that change: its outline (which turns there are, whether one may write, the list beside it), which is
read from PostgreSQL when something says "look again", and the runs that go on, whose events come one by one. Of those the socket keeps a
flow each, as the page was rendered from, and sends what differs: so a reload and a second tab show the same, whenever they come.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, aclosing
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.http import QueryDict

from agentopia.lib import live
from agentopia.lib.errors import NotFound
from chat.following import events_of
from chat.live import conversation_group
from chat.pages import fragments
from chat.pages.flow import Flow
from chat.pages.fragments import Change, Outline
from chat.pages.pacing import lists, outlines, pace
from chat.selectors import conversation_for

in_a_thread = partial(database_sync_to_async, thread_sensitive=False)
"""In any: all that sockets do otherwise waits for one thread, and lists of conversations are rendered there."""


class PageWithList(live.LivePage):
    """Has the list of conversations, which is not sent again too often where many pages are open."""

    current: UUID | None = None
    """The conversation that it shows."""

    async def connect(self) -> None:
        self.open = ExitStack()
        self.open.enter_context(lists.sending())
        await super().connect()

    async def disconnect(self, code: int) -> None:
        self.open.close()
        await super().disconnect(code)

    @property
    def settle_seconds(self) -> float:  # type: ignore[override]
        return lists.pause(0)

    def chats(self) -> str:
        """The list."""
        with lists.measured():
            return fragments.chats(self.user, self.current)


class ConversationsPage(PageWithList):
    """The list of conversations."""

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        return [self.chats()]


class ConversationPage(PageWithList):
    """One conversation. ``seen`` in the query string tells what its page shows."""

    async def connect(self) -> None:
        self.outline_changed, self.outlined = asyncio.Event(), asyncio.Event()
        self.outline: Outline | None = None
        self.followed: dict[UUID, Flow] = {}
        self.following: dict[UUID, asyncio.Task[None]] = {}
        self.sending = asyncio.Lock()
        await super().connect()
        if self.joined:
            self.outline_changed.set()
            self.start(self._keep_outline())

    def groups_of_page(self) -> list[str]:
        found = conversation_for(self.user, self.kwargs["conversation_id"])
        return [conversation_group(found.pk), live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        found = conversation_for(self.user, self.kwargs["conversation_id"])
        self.current = found.pk
        return [self.chats(), fragments.crumb(found)]

    async def _render_on_change(self) -> None:
        await self.outlined.wait()  # what was said goes before the list beside it
        await super()._render_on_change()

    async def look_again(self, event: dict[str, Any]) -> None:
        await super().look_again(event)
        self.outline_changed.set()

    async def run_events(self, event: dict[str, Any]) -> None:
        """Channels calls this for what is told of runs; each is followed on a channel of its own."""

    async def _keep_outline(self) -> None:
        seen = QueryDict(self.scope["query_string"]).get("seen", "")
        while True:
            await self.outline_changed.wait()
            self.outline_changed.clear()
            with outlines.sending():
                try:
                    await self._send_outline(seen)
                except NotFound:
                    await self.close(live.GONE)
                    return
                self.outlined.set()
                await outlines.rest(0)

    async def _send_outline(self, seen: str) -> None:
        async with self.sending:
            with outlines.measured():
                change = await self._change(seen)
            self.outline = change.outline
            if change.is_whole:
                self._leave_all()
            if change.html:
                await self.send(change.html)
            for run_id, flow in change.begun.items():
                self.followed[run_id] = flow
                self.start(self._follow(run_id, flow))
                self.following[run_id] = self.tasks[-1]

    async def _change(self, seen: str) -> Change:
        asked = (self.user, self.kwargs["conversation_id"], self.outline, seen, dict(self.followed))
        return await in_a_thread(fragments.outline)(*asked)

    def _leave_all(self) -> None:
        """The page is about to show other turns, or the same ones anew."""
        for task in self.following.values():
            task.cancel()
        self.following, self.followed = {}, {}

    async def _follow(self, run_id: UUID, flow: Flow) -> None:
        """Send what happens in a run, until it has ended."""
        news = asyncio.Event()
        reading = asyncio.create_task(self._read(run_id, flow, news))
        try:
            while True:
                await news.wait()
                news.clear()
                is_last = reading.done()
                with pace.sending():
                    sent = await self._send_news(run_id, flow)
                    if is_last or flow.is_over:
                        break
                    await pace.rest(sent)
            await reading
        finally:
            reading.cancel()
        del self.following[run_id]
        if flow.has_open_parts and self.outline is not None:  # it ended without saying so: its turn is sent as it is now
            del self.followed[run_id]
            self.outline.heads = [replace(head, is_ended=head.is_ended and head.id != run_id) for head in self.outline.heads]
        self.outline_changed.set()

    async def _read(self, run_id: UUID, flow: Flow, news: asyncio.Event) -> None:
        try:
            async with aclosing(events_of(run_id, flow.seq)) as pieces:
                async for piece in pieces:
                    flow.take(piece)
                    if piece:
                        news.set()
        finally:
            asyncio.get_running_loop().call_soon(news.set)  # once this has ended

    async def _send_news(self, run_id: UUID, flow: Flow) -> int:
        """All that has gathered, at once. Returns how much was sent."""
        async with self.sending:
            if not (news := flow.taken_news()):
                return 0
            calls = await in_a_thread(fragments.calls_of_news)(run_id, flow, news) if news.steps else {}
            with pace.measured():
                html = fragments.of_news(run_id, flow, news, calls)
            if news.state:
                html += await in_a_thread(fragments.foot)(self.user, run_id)
            if html:
                await self.send(html)
        return len(html)
