"""The WebSockets of the pages: authenticate, join, render a partial."""

from __future__ import annotations

import asyncio
from datetime import datetime
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from agentopia.lib import live
from dtma_client import DtmaError, ServerNotFound
from dtma_wire import LogLine
from mcp_registry import pages, selectors
from mcp_registry.logs import by_our_clock
from toolboxes.dtma import as_agentopia_error, dtma_of

FIRST_LINES = 500
RETRY_SECONDS = 1.0


class OwnerPage(live.LivePage):
    """A page of everything that the user owns."""

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]


class HomePage(OwnerPage):
    def fragments(self) -> list[str]:
        return [render_to_string("mcp_registry/home.html#live", pages.home(self.user))]


class ServersPage(OwnerPage):
    def fragments(self) -> list[str]:
        return [render_to_string("mcp_registry/servers.html#rows", pages.servers(self.user))]


class ServerPage(live.LivePage):
    """A server's page: header, deployment, facts, tools."""

    parts: tuple[str, ...] = (
        "server_page.html#header",
        "server_page.html#said",
        "server.html#deployment",
        "server.html#facts",
        "server.html#tools",
    )

    def groups_of_page(self) -> list[str]:
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        return [live.server_group(server.pk), live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        context = pages.server(self.user, self.kwargs["server_id"])
        return [render_to_string(f"mcp_registry/{part}", context) for part in self.parts]


class ServerHistoryPage(ServerPage):
    """A server's history: the page of it that the query string names."""

    parts = ("server_page.html#header", "server_page.html#said")

    def fragments(self) -> list[str]:
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        page = parse_qs(self.scope["query_string"].decode()).get("page", [""])[-1]
        context = pages.deployments(server, page)
        history = [render_to_string(f"mcp_registry/server_history.html#{part}", context) for part in ("deployments", "findings")]
        return [*super().fragments(), *history]


class ServerLogPage(ServerPage):
    """A server's log: the last lines, then every line as it is printed.

    The lines come straight from DTMA: a slow browser slows down the reading, and DTMA says what it had to drop.
    """

    parts = ("server_page.html#header", "server_page.html#said")

    async def connect(self) -> None:
        await super().connect()
        if self.joined:
            self.start(self._follow())

    async def _follow(self) -> None:
        server = await database_sync_to_async(selectors.server_for)(self.user, self.kwargs["server_id"])
        since: datetime | None = None
        await self._show([], "reset", "")
        while True:
            problem = ""
            try:
                async with dtma_of(server.toolbox) as dtma:
                    tail = FIRST_LINES if since is None else None
                    async for batch in dtma.logs(str(server.pk), tail=tail, since=since, follow=True):
                        await self._show(by_our_clock(server.toolbox, batch), "append", "")
                        since = batch[-1].ts
            except ServerNotFound:
                problem = "The toolbox has not taken on this server yet."
            except DtmaError as error:
                problem = as_agentopia_error(error, server.toolbox).message
            await self._show([], "append", problem)
            await asyncio.sleep(RETRY_SECONDS)

    async def _show(self, lines: list[LogLine], mode: str, problem: str) -> None:
        await self.send(render_to_string("mcp_registry/log_lines.html", {"lines": lines, "mode": mode, "problem": problem}))
