"""Pages: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import user_of
from mcp_registry import pages
from mcp_registry.configuring import pages as configuring
from mcp_registry.server_list import ServerQuery, server_list
from mcp_registry.services.servers import (
    restart_server,
    start_server,
    stop_server,
)

ACTIONS = {"start": start_server, "stop": stop_server, "restart": restart_server}


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What runs, what needs attention, what happened last, and what to do first."""
    return render(request, "mcp_registry/home.html", pages.home(user_of(request)))


def _go_to(request: HttpRequest, page: str, *arguments: UUID) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse(page, args=arguments)})
    return redirect(page, *arguments)


@require_GET
def servers(request: HttpRequest) -> HttpResponse:
    """All servers of the user; HTMX asks for the list alone while one filters."""
    template = "mcp_registry/servers.html" + ("#list" if request.headers.get("HX-Target") == "list" else "")
    context = server_list(user_of(request), ServerQuery.parse(request.GET))
    return render(request, template, {**context, "kept": configuring.kept_count(user_of(request))})


@require_GET
def server(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server: its state, the steps of its deployment, its tools."""
    return render(request, "mcp_registry/server.html", pages.server(user_of(request), server_id))


@require_GET
def server_history(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's settings and all its deployments."""
    context = pages.server(user_of(request), server_id)
    history = pages.deployments(context["server"], request.GET.get("page"))
    generations = configuring.generations(context["server"], request.GET.get("generations"))
    return render(request, "mcp_registry/server_history.html", {**context, **history, **generations})


@require_POST
def server_action(request: HttpRequest, server_id: UUID, action: str) -> HttpResponse:
    """Start, stop, restart or try again. For HTMX, what comes of it arrives over the page's WebSocket, in its right order."""
    ACTIONS[action](owner=user_of(request), server_id=server_id)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect("servers:detail", server_id)
