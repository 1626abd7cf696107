"""The pages of receipts."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from agents.receipts_pages import pages
from agents.receipts_pages.export import KINDS, streamed
from agents.receipts_pages.query import CallQuery


@never_cache
@require_GET
def calls(request: HttpRequest) -> HttpResponse:
    """Every call, newest first; HTMX asks for the list alone while one filters."""
    user, query = user_of(request), CallQuery.parse(request.GET)
    if request.headers.get("HX-Target") == "list":
        return render(request, "agents/call_list.html#list", pages.calls(user, query))
    return render(request, "agents/call_list.html", pages.whole_list(user, query))


@never_cache
@require_GET
def call(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """One receipt."""
    return render(request, "agents/call.html", pages.call(user_of(request), call_id))


@never_cache
@require_GET
def run(request: HttpRequest, run: UUID) -> HttpResponse:
    """The calls of one run, on one axis of time."""
    return render(request, "agents/call_run.html", pages.run(user_of(request), run, request.GET.get("after", "")))


@never_cache
@require_GET
def totals(request: HttpRequest) -> HttpResponse:
    """What calls cost in sum."""
    return render(
        request, "agents/call_totals.html", pages.totals_page(user_of(request), CallQuery.parse(request.GET), request.GET.get("by", ""))
    )


@never_cache
@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The receipts that the filters ask for, oldest first, sent as they are read: JSON Lines, or with ``?as=csv`` a table."""
    kind = KINDS.get(request.GET.get("as", ""), KINDS["ndjson"])
    lines = streamed(user_of(request), CallQuery.parse(request.GET), kind)
    headers = {"Content-Disposition": f'attachment; filename="calls.{kind.suffix}"', "Content-Type": f"{kind.media_type}; charset=utf-8"}
    return StreamingHttpResponse(lines, headers=headers)
