"""The WebSockets of the pages of receipts and approvals.

Calls are not announced one by one: a gateway makes thousands a second, and an event for each would cost more than the call. So a page that
is open looks itself whether there is news, once a second, by a query that reads a few rows of an index.
"""

from __future__ import annotations

import asyncio
from typing import Any

from channels.db import database_sync_to_async
from django.http import QueryDict
from django.template.loader import render_to_string

from agentopia.lib import live
from agents.models import ToolCall
from agents.receipts_pages import inbox, pages, selectors
from agents.receipts_pages.query import CallQuery

LOOKED_AT = selectors.PER_PAGE
"""Among how many of the newest calls the list looks for news."""


class CallsPage(live.LivePage):
    """The part of the list that the query string names."""

    settle_seconds = 1.0
    look_seconds = 1.0

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    async def connect(self) -> None:
        await super().connect()
        if self.joined:
            self.start(self._look())

    async def _look(self) -> None:
        seen: Any = None
        while True:
            found = await database_sync_to_async(self.news)()
            if found != seen:
                self.changed.set()
            seen = found
            await asyncio.sleep(self.look_seconds)

    def news(self) -> Any:
        """Something that differs once there is something else to show."""
        return list(selectors.calls_for(self.user).order_by("-created_at").values_list("pk", "status")[:LOOKED_AT])

    @property
    def asked(self) -> dict[str, str]:
        """The query string."""
        return QueryDict(self.scope["query_string"]).dict()

    def fragments(self) -> list[str]:
        return [render_to_string("agents/call_list.html#rows", pages.calls(self.user, CallQuery.parse(self.asked)))]


class CallPage(CallsPage):
    """One receipt, until the call has ended."""

    settle_seconds = live.SETTLE_SECONDS

    def groups_of_page(self) -> list[str]:
        selectors.call_for(self.user, self.kwargs["call_id"])
        return super().groups_of_page()

    def news(self) -> Any:
        return ToolCall.objects.filter(pk=self.kwargs["call_id"]).values_list("status", "ended_at", "approval__status").first()

    def fragments(self) -> list[str]:
        return [render_to_string("agents/call.html#call", pages.call(self.user, self.kwargs["call_id"]))]


class RunPage(CallsPage):
    """A run, from the place on that the query string names."""

    def groups_of_page(self) -> list[str]:
        pages.run(self.user, self.kwargs["run"])
        return super().groups_of_page()

    def news(self) -> Any:
        calls = ToolCall.objects.filter(run=self.kwargs["run"], user=self.user)
        return list(calls.order_by("-created_at").values_list("pk", "status")[:LOOKED_AT])

    def fragments(self) -> list[str]:
        return [render_to_string("agents/call_run.html#run", pages.run(self.user, self.kwargs["run"], self.asked.get("after", "")))]


class InboxPage(live.LivePage):
    """The calls that wait for the user."""

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        context = inbox.inbox(self.user)
        return [render_to_string(f"agents/approval_list.html#{part}", context) for part in ("waiting", "said", "past")]


class ApprovalPage(InboxPage):
    """One of them. The form stays as it was typed; only what is decided elsewhere changes it."""

    def groups_of_page(self) -> list[str]:
        inbox.approval_for(self.user, self.kwargs["approval_id"])
        return super().groups_of_page()

    def fragments(self) -> list[str]:
        context = inbox.progress(self.user, self.kwargs["approval_id"])
        parts = ("state", "said") if context["is_open"] else ("state", "said", "decision")
        return [render_to_string(f"agents/approval.html#{part}", context) for part in parts]
