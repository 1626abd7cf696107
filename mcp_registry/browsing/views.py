"""The catalogue's page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from mcp_registry.browsing.query import CatalogQuery
from mcp_registry.browsing.results import catalogue


@require_GET
def catalog(request: HttpRequest) -> HttpResponse:
    """The catalogue; HTMX asks for what was found alone while one types and chooses. The address says what is shown."""
    query = CatalogQuery.parse(request.GET)
    part = request.headers.get("HX-Target") == "results"
    template = "mcp_registry/catalog.html" + ("#found" if part else "")
    response = render(request, template, {**catalogue(user_of(request), query), "part": part})
    if part:
        response["HX-Replace-Url"] = f"{request.path}?{query.encoded}" if query.encoded else request.path
    patch_vary_headers(response, ("HX-Target",))
    return response
