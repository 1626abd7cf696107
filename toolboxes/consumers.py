"""The WebSockets of the pages of toolboxes."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.template.loader import render_to_string

from agentopia.lib import live
from toolboxes import pages
from toolboxes.fleet import FleetQuery, fleet
from toolboxes.selectors import described_toolbox_for


class ReportedPage(live.LivePage):
    """A page that is read again as often as toolboxes report as well: a heartbeat that changes no state makes no event."""

    async def connect(self) -> None:
        await super().connect()
        if self.joined:
            self.start(self._keep_current())

    async def _keep_current(self) -> None:
        while True:
            await asyncio.sleep(settings.HEARTBEAT_SECONDS)
            self.changed.set()

    @property
    def query(self) -> QueryDict:
        """What the page was asked for."""
        return QueryDict(self.scope["query_string"])


class FleetPage(ReportedPage):
    """The list: the page, the filter and the order that the query string names."""

    settle_seconds = 0.5  # in a big fleet something happens all the time

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        context = fleet(self.user, FleetQuery.parse(self.query.dict()))
        return [render_to_string(f"toolboxes/fleet.html#{part}", context) for part in ("summary", "rows")]


class ToolboxPage(ReportedPage):
    """What all pages of a toolbox share: its heading, what a screen reader is told, and the job that makes or removes it."""

    parts: tuple[str, ...] = ("toolbox_page.html#header", "toolbox_page.html#said", "toolbox_page.html#job")
    removed = False

    def groups_of_page(self) -> list[str]:
        return [live.toolbox_group(self._toolbox().pk), live.owner_group(self.user.pk)]

    def _toolbox(self) -> Any:
        return described_toolbox_for(self.user, self.kwargs["toolbox_id"], removed=self.removed)

    def context(self) -> dict[str, Any]:
        return pages.toolbox(self.user, self.kwargs["toolbox_id"], removed=self.removed)

    def fragments(self) -> list[str]:
        context = self.context()
        return [render_to_string(f"toolboxes/{part}", context) for part in self.parts]


class OverviewPage(ToolboxPage):
    """A toolbox's first page."""

    parts = (*ToolboxPage.parts, "overview.html#figures", "overview.html#facts")

    def context(self) -> dict[str, Any]:
        return pages.overview(self.user, self.kwargs["toolbox_id"])


class HistoryPage(ToolboxPage):
    """A toolbox's history: the page and the severity that the query string names. A removed toolbox has it still."""

    parts = (*ToolboxPage.parts, "events.html#events")
    removed = True

    def context(self) -> dict[str, Any]:
        return pages.history(self.user, self.kwargs["toolbox_id"], self.query.get("severity", ""), self.query.get("page"))
