"""The WebSocket of the page of the audit."""

from __future__ import annotations

from django.http import QueryDict
from django.template.loader import render_to_string

from accounts.audit import pages
from accounts.audit.query import AuditQuery
from accounts.audit.recording import STAFF_GROUP
from agentopia.lib import live


class AuditPage(live.LivePage):
    """The part of the list that the query string names."""

    settle_seconds = 0.5

    def groups_of_page(self) -> list[str]:
        return [STAFF_GROUP if self.user.is_staff else live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        query = AuditQuery.parse(QueryDict(self.scope["query_string"]).dict())
        return [render_to_string("audit/list.html#rows", pages.records(self.user, query))]
