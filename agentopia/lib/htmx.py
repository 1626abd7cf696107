"""How a view answers an HTMX request: errors become toasts, and a full page never lands inside a fragment."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from agentopia.lib.errors import AgentopiaError


class ErrorToastMiddleware:
    """Show an `AgentopiaError` that a page's view raised: a toast for HTMX and forms, an error page for a plain GET."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AgentopiaError):
            return None
        if request.headers.get("HX-Request"):
            response = render(request, "components/toast.html", {"level": "error", "message": error.message, "oob": True})
            response["HX-Reswap"] = "none"  # the fragment that was asked for does not exist; only the toast is swapped, out of band
            return response
        if request.method == "POST" and (referrer := request.headers.get("Referer", "")).startswith(request.build_absolute_uri("/")):
            messages.error(request, error.message)
            return redirect(referrer)
        template = "404.html" if error.http_status == 404 else "error.html"
        return render(request, template, {"message": error.message}, status=error.http_status)
