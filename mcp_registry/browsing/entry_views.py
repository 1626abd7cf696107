"""An entry's page, and deploying from it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from mcp_registry.browsing.entry import EntryPage, entry_page_for, facts
from mcp_registry.forms import DeployForm
from mcp_registry.models import McpServer
from mcp_registry.services.servers import deploy_server


@require_http_methods(["GET", "POST"])
def entry(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """An entry and the form to deploy it; a POST deploys, and shows the form again where something is missing."""
    user = user_of(request)
    shown = entry_page_for(user, entry_id, request.GET.get("version", "")[:255].replace("\0", ""))
    form = shown.form(user, request.POST if request.method == "POST" else None, anyway="anyway" in request.GET)
    if request.method == "POST":
        if form is None:
            raise Conflict(shown.manifest.undeployable or f"“{shown.entry}” is not offered any more.", code="not_deployable")
        server = _deployed(user, shown, form)
        if server is not None:
            return _go_to(request, server)
        if request.headers.get("HX-Request"):
            raise InvalidInput(" ".join(form.problems))  # the one-click button has no form to show them in
        form.ask_for_secrets_again()
    return render(request, "mcp_registry/entry.html", {**facts(user, shown), "form": form}, status=422 if request.method == "POST" else 200)


def _deployed(user: User, shown: EntryPage, form: DeployForm) -> McpServer | None:
    """The new server; None where the form says what is wrong."""
    if not form.is_valid():
        return None
    try:
        return deploy_server(
            owner=user,
            entry=shown.entry,
            toolbox=form.chosen_toolbox,
            name=form.cleaned_data["name"],
            config=form.values(secret=False),
            secrets=form.values(secret=True),
            shared_volumes=form.shared_volumes,
            force=form.cleaned_data["force"],
            version="" if shown.is_newest else shown.version,
            shares_tools=form.cleaned_data.get("shares_tools", False),
        )
    except (InvalidInput, Conflict, NotFound) as error:
        form.add_problems(error.fields or {"": error.message})
        return None


def _go_to(request: HttpRequest, server: McpServer) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("servers:detail", args=(server.pk,))})
    return redirect("servers:detail", server.pk)
