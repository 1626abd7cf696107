"""Live pages: an event on commit, and a consumer that renders the page's fragment again.

An event only says "look again": what a page shows is always read from PostgreSQL, so a reload, a second tab or a
reconnect shows the same thing, and a lost event costs nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import UUID

import redis.exceptions
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.db import transaction
from django.urls import path

from agentopia.lib.errors import NotFound

logger = logging.getLogger(__name__)

SIGN_IN_AGAIN, GONE, TRY_AGAIN = 4401, 4404, 1011  # how a socket is closed; the first two are final for the page
SETTLE_SECONDS = 0.05  # events that arrive in a burst are answered by one rendering


def owner_group(owner_id: int) -> str:
    """The group of everything that one user owns."""
    return f"owner.{owner_id}"


def everywhere_group(user_id: int) -> str:
    """The group of what every page of a user's shows beside its own."""
    return f"everywhere.{user_id}"


def server_group(server_id: UUID) -> str:
    """The group of one server's page."""
    return f"server.{server_id}"


def toolbox_group(toolbox_id: UUID) -> str:
    """The group of one toolbox's pages."""
    return f"toolbox.{toolbox_id}"


def publish(*groups: str) -> None:
    """Tell the pages of these groups, once the transaction is committed, to look again."""
    transaction.on_commit(lambda: _send(groups))


def _send(groups: tuple[str, ...]) -> None:
    layer: Any = get_channel_layer()

    async def send_all() -> None:
        for group in groups:
            await layer.group_send(group, {"type": "look.again"})

    try:
        in_sender(send_all())
    except (redis.exceptions.RedisError, OSError) as error:
        # The rows are committed; pages that reconnect read them.
        logger.warning("Live pages were not told of a change: %s", error)


def in_sender(work: Coroutine[Any, Any, None]) -> None:
    """Send something from synchronous code, and wait until it is sent."""
    asyncio.run_coroutine_threadsafe(work, _sender()).result()


@cache
def _sender() -> asyncio.AbstractEventLoop:
    """An event loop of this process's own, for sending alone, so that connections to Redis are kept: to make one for each event, and a loop
    and a thread with it, costs many times what the event does.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="live-events", daemon=True).start()
    return loop


def socket(route: str, page: type[LivePage]) -> Any:
    """The address of a page's WebSocket, for a list of `websocket_urlpatterns`."""
    return path(route, page.as_asgi())  # type: ignore[arg-type]  # a WebSocket has no HttpResponse


everywhere: list[Callable[[Any], str]] = []
"""What every live page shows beside its own, as a count in the sidebar: each renders a fragment for a user. An app adds to it when it
starts, and publishes `everywhere_group`.
"""


class LivePage(AsyncWebsocketConsumer):
    """A page's WebSocket: joins its groups and sends its fragments, all at first and those that differ after every change.

    A subclass says which groups (`groups_of_page`) and renders (`fragments`: each replaces the element of its id); both run
    synchronously, start from ``self.user`` and raise `NotFound` for what is not the user's: the socket is refused or closed then.
    """

    user: Any
    """An ``accounts.User``, which this package does not know."""

    settle_seconds = SETTLE_SECONDS
    sends_fragments = True
    """False where the page's script reads something else from its socket: what is shown everywhere is left out then."""

    def groups_of_page(self) -> list[str]:
        raise NotImplementedError

    def fragments(self) -> list[str]:
        raise NotImplementedError

    async def connect(self) -> None:
        scope: dict[str, Any] = dict(self.scope)
        self.user = scope["user"]
        self.kwargs: dict[str, Any] = scope["url_route"]["kwargs"]
        self.tasks: list[asyncio.Task[None]] = []
        self.joined: list[str] = []
        self.changed = asyncio.Event()
        await self.accept()  # a refusal before that would reach the page without its code
        if not self.user.is_authenticated:
            await self.close(SIGN_IN_AGAIN)
            return
        try:
            groups = await database_sync_to_async(self.groups_of_page)()
        except NotFound:
            await self.close(GONE)
            return
        for group in (*groups, everywhere_group(self.user.pk)):
            await self.channel_layer.group_add(group, self.channel_name)
            self.joined.append(group)
        self.changed.set()
        self.start(self._render_on_change())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the page is open; when it fails the socket closes and the page connects again."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self.tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            logger.warning("A live page ended: %r", error)
            self.tasks.append(asyncio.create_task(self._give_up()))

    async def _give_up(self) -> None:
        with suppress(OSError):  # the browser may be what has gone
            await self.close(TRY_AGAIN)

    async def _render_on_change(self) -> None:
        sent: list[str] = []
        while True:
            await self.changed.wait()
            self.changed.clear()
            try:
                fragments = await database_sync_to_async(self._all_fragments)()
            except NotFound:
                await self.close(GONE)
                return
            if fresh := [fragment for fragment in fragments if fragment not in sent]:
                await self.send("".join(fresh))
            sent = fragments
            await asyncio.sleep(self.settle_seconds)

    def _all_fragments(self) -> list[str]:
        own = self.fragments()
        return [*own, *(render(self.user) for render in everywhere)] if self.sends_fragments else own

    async def look_again(self, event: dict[str, Any]) -> None:
        """Channels calls this for `publish`."""
        self.changed.set()

    async def disconnect(self, code: int) -> None:
        for task in self.tasks:
            task.cancel()
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)
