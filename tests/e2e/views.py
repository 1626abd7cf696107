"""Every page that there is, found in the URL configuration: a new one cannot be forgotten."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import APIRequestContext

from tests.access.routes import all_routes

ELSEWHERE = ("admin/", "api/", "accounts/logout")
"""Django's own pages, what is no page, and what would sign us out."""


def every_page(request: APIRequestContext, values: dict[str, Any]) -> list[str]:
    """The paths of all whole pages whose parameters are among ``values``."""
    paths = [
        route.filled(values)
        for route in all_routes()
        if not route.declared.startswith(ELSEWHERE) and set(route.parameters) <= values.keys()
    ]
    return [path for path in sorted(set(paths)) if _is_page(request, path)]


def _is_page(request: APIRequestContext, path: str) -> bool:
    answer = request.get(path, max_redirects=0)
    html = answer.headers.get("content-type", "").startswith("text/html")
    return answer.status == 200 and html and answer.text().lstrip().lower().startswith("<!doctype html")
