"""The page of a server's versions, and what can be decided on its overview."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput
from mcp_registry.services.upgrades import approve_upgrade, cancel_upgrade, request_upgrade
from mcp_registry.upgrading import pages
from mcp_registry.upgrading.forms import UpgradeForm

DECISIONS = {"approve": approve_upgrade, "cancel": cancel_upgrade}


@require_http_methods(["GET", "POST"])
def versions(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """The versions, and the plan of the one that is chosen; a POST goes to it, and shows the form again where something is missing."""
    user = user_of(request)
    context = pages.versions(user, server_id, request.GET.get("version", "")[:255])
    plan = context["plan"]
    if plan is None:
        if request.method == "POST":
            raise Conflict(context["obstacle"] or f"“{context['server'].name}” is at that version already.", code="same_version")
        return render(request, "mcp_registry/server_versions.html", context)
    form = UpgradeForm(request.POST if request.method == "POST" else None, plan=plan, has_room=not context["no_room"])
    if request.method == "POST" and form.is_valid():
        try:
            request_upgrade(
                owner=user,
                server_id=server_id,
                version=plan.version,
                config=form.values(secret=False),
                secrets=form.values(secret=True),
                ask=form.cleaned_data["ask"],
                trial=form.cleaned_data["trial"],
            )
        except (InvalidInput, Conflict) as problem:
            if not problem.fields:
                form.add_error(None, problem.message)
            form.add_problems(problem.fields)
        else:
            return redirect("servers:detail", server_id)
    return render(request, "mcp_registry/server_versions.html", {**context, "form": form}, status=422 if form.is_bound else 200)


@require_POST
def decide(request: HttpRequest, server_id: UUID, decision: str) -> HttpResponse:
    """Switch to the version that was tried, or keep the old one. For HTMX, what comes of it arrives over the page's WebSocket."""
    upgrade = DECISIONS[decision](owner=user_of(request), server_id=server_id)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    if decision == "cancel":
        messages.success(request, f"“{upgrade.server.name}” stays at {upgrade.from_version}.")
    return redirect(reverse("servers:detail", args=[server_id]))
