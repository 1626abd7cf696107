"""REST: the audit."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.audit.export import shown
from accounts.audit.query import AuditQuery, events_for
from accounts.models import AuditEvent
from accounts.requests import user_of
from agentopia.lib.errors import InvalidInput

FILTERS = {
    "search": "Words in it.",
    "who": "A part of the address of who did it.",
    "action": "`server.configured`, or `server` for all of them.",
    "type": "The kind of thing, as `mcpserver`.",
    "target": "The id of the thing.",
    "via": "page, api, admin, command or system.",
    "since": "A day (UTC), as 2026-11-01.",
    "until": "A day (UTC), included.",
}


class EventPagination(CursorPagination):
    """By a cursor, so that a page stays what it was while records come in."""

    page_size = 100
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "-id"


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """One record. ``address`` is null where you may not see it. Staff get `position`, `previous`, `hash` and `body` too."""

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            *("id", "at", "actor_id", "actor", "owner_id", "via", "address", "action", "target_type", "target_id"),
            *("target_name", "summary", "changes"),
        ]

    def to_representation(self, instance: AuditEvent) -> dict[str, Any]:
        return shown(instance, user_of(self.context["request"]))


class AuditView(generics.ListAPIView[AuditEvent]):
    serializer_class = AuditEventSerializer
    pagination_class = EventPagination
    queryset = AuditEvent.objects.none()

    def get_queryset(self) -> Any:
        given = self.request.query_params
        query = AuditQuery.parse(given).filters
        wrong = {name: f"It cannot be “{given[name]}”." for name in FILTERS if given.get(name, "").strip() and not getattr(query, name)}
        if wrong:
            raise InvalidInput(" ".join(f"{name}: {problem}" for name, problem in wrong.items()), fields=wrong)
        return query.of(events_for(user_of(self.request)))

    @extend_schema(parameters=[OpenApiParameter(name, str, description=meaning) for name, meaning in FILTERS.items()])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What was changed, by whom: of your own things and by yourself, newest first; staff see everything."""
        return super().get(request, *args, **kwargs)
