"""REST: the catalogue, searched as its page is, and one entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer, Pagination
from mcp_registry.browsing.matching import searching
from mcp_registry.browsing.query import FACETS, LABELS, SORTS, CatalogQuery
from mcp_registry.browsing.results import Found, find
from mcp_registry.browsing.serializers import CatalogEntrySerializer, EntryDetailSerializer
from mcp_registry.models import CatalogEntry
from mcp_registry.placement import rooms
from mcp_registry.selectors import entry_for
from mcp_registry.services.own_entries import add_entry

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
UNREAD = ("text", "tools", "tool_names", "handle", "facets")
PARAMETERS = [
    OpenApiParameter("search", str, description="Words, or beginnings of words, of the name, description, tags, package or tools."),
    OpenApiParameter("sort", str, enum=list(SORTS), description="`best` unless told."),
    *(
        OpenApiParameter(facet, str, many=True, enum=list(LABELS[facet]) or None, description=f"{title}.")
        for facet, title in FACETS.items()
    ),
]


class Pages(Pagination):
    """Pages of what was found, which was counted already."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        found: Found = queryset
        self.request, self.count = request, found.tally.total
        self.limit, self.offset = self.get_limit(request) or self.default_limit, self.get_offset(request)
        return found.rows(self.offset, min(self.offset + self.limit, self.count)) if self.offset < self.count else []


class CatalogView(generics.ListAPIView[CatalogEntry]):
    serializer_class = CatalogEntrySerializer
    queryset = CatalogEntry.objects.none()
    pagination_class = Pages

    @extend_schema(parameters=PARAMETERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What you may deploy. A filter may be given several times: an entry must have one of its values."""
        user, query = user_of(request), CatalogQuery.parse(request.query_params)
        with searching(query.search):
            found = find(user, query, rooms(user))
            rows: Any = self.paginate_queryset(replace(found, entries=found.entries.defer(*UNREAD)))  # type: ignore[arg-type]
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: CatalogEntrySerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Add an entry of your own: the body is the official registry's `server.json`."""
        entry = add_entry(owner=user_of(request), document=request.data)
        return Response(self.get_serializer(entry).data, status=status.HTTP_201_CREATED)


class EntryView(APIView):
    """Read by everybody who sees it; `mcp_registry.adding` lets its owner delete it."""

    @extend_schema(responses={200: EntryDetailSerializer, 404: ErrorSerializer})
    def get(self, request: Request, entry_id: UUID) -> Response:
        """One entry: its tools, versions, permissions and how its deployments ended."""
        entry = entry_for(user_of(request), str(entry_id))
        return Response(EntryDetailSerializer(entry, context={"request": request}).data)
