"""Pages: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from mcp_registry import pages, selectors
from mcp_registry.forms import DeployForm
from mcp_registry.services.servers import (
    delete_server,
    deploy_server,
    restart_server,
    start_server,
    stop_server,
)

ACTIONS = {"start": start_server, "stop": stop_server, "restart": restart_server}


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What runs, what needs attention, what happened last, and what to do first."""
    return render(request, "mcp_registry/home.html", pages.home(user_of(request)))


@require_GET
def catalog(request: HttpRequest) -> HttpResponse:
    """The catalogue; HTMX asks for its rows alone while one types."""
    template = "mcp_registry/catalog.html" + ("#rows" if request.headers.get("HX-Target") == "rows" else "")
    search = request.GET.get("search", "")[:200]
    return render(request, template, pages.catalog(user_of(request), search, request.GET.get("page")))


@require_http_methods(["GET", "POST"])
def entry(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """An entry and the form to deploy it; a POST deploys, and shows the form again where something is missing."""
    user = user_of(request)
    offer = pages.offer_of(selectors.entry_for(user, str(entry_id)))
    anyway = "anyway" in request.GET
    data = request.POST if request.method == "POST" else None
    form = DeployForm(data, user=user, package=offer.package, profile=offer.profile, anyway=anyway)
    if request.method == "POST" and form.is_valid():
        try:
            server = deploy_server(
                owner=user,
                entry=offer.entry,
                toolbox=form.chosen_toolbox,
                name=form.cleaned_data["name"],
                config=form.values(secret=False),
                secrets=form.values(secret=True),
                shared_volumes=form.shared_volumes,
                force=form.cleaned_data["force"],
            )
        except (InvalidInput, Conflict, NotFound) as error:
            form.add_problems(error.fields or {"": error.message})
        else:
            return _go_to(request, "servers:detail", server.pk)
    if request.method == "POST" and request.headers.get("HX-Request"):
        raise InvalidInput(" ".join(form.problems))  # the one-click button has no form to show them in
    status = 422 if request.method == "POST" else 200
    return render(request, "mcp_registry/entry.html", {"offer": offer, "form": form}, status=status)


def _go_to(request: HttpRequest, page: str, *arguments: UUID) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse(page, args=arguments)})
    return redirect(page, *arguments)


@require_GET
def servers(request: HttpRequest) -> HttpResponse:
    """All servers of the user."""
    return render(request, "mcp_registry/servers.html", pages.servers(user_of(request)))


@require_GET
def server(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server: its state, the steps of its deployment, its tools."""
    return render(request, "mcp_registry/server.html", pages.server(user_of(request), server_id))


@require_GET
def server_log(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's log; its lines come over the page's WebSocket."""
    return render(request, "mcp_registry/server_log.html", pages.server(user_of(request), server_id))


@require_GET
def server_history(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's settings and all its deployments."""
    context = pages.server(user_of(request), server_id)
    history = pages.deployments(context["server"], request.GET.get("page"))
    return render(request, "mcp_registry/server_history.html", {**context, **history})


@require_POST
def server_action(request: HttpRequest, server_id: UUID, action: str) -> HttpResponse:
    """Start, stop, restart or try again. For HTMX, what comes of it arrives over the page's WebSocket, in its right order."""
    ACTIONS[action](owner=user_of(request), server_id=server_id)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect("servers:detail", server_id)


@require_POST
def server_delete(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """Delete a server and its volumes."""
    doomed = delete_server(owner=user_of(request), server_id=server_id)
    messages.success(request, f"“{doomed.name}” is being deleted.")
    return _go_to(request, "servers:list")
