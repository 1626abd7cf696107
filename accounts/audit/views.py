"""The page of the audit, and its export."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.audit import pages
from accounts.audit.export import streamed
from accounts.audit.query import AuditQuery
from accounts.requests import user_of


@never_cache
@require_GET
def records(request: HttpRequest) -> HttpResponse:
    """What was changed; HTMX asks for the list alone while one filters."""
    user, query = user_of(request), AuditQuery.parse(request.GET)
    if request.headers.get("HX-Target") == "list":
        return render(request, "audit/list.html#list", pages.records(user, query))
    return render(request, "audit/list.html", pages.whole_page(user, query))


@never_cache
@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The same records as JSON Lines, oldest first, sent as they are read."""
    lines = streamed(AuditQuery.parse(request.GET).filters, user_of(request))
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Content-Type": "application/jsonl; charset=utf-8"}
    return StreamingHttpResponse(lines, headers=headers)
