"""Pages of toolboxes: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput
from toolboxes import pages
from toolboxes.fleet import FleetQuery, fleet
from toolboxes.forms import RenameForm
from toolboxes.selectors import described_toolbox_for
from toolboxes.services.settings import enrol_again, rename_toolbox, revoke_toolbox


@require_GET
def toolboxes(request: HttpRequest) -> HttpResponse:
    """All toolboxes of the user; HTMX asks for the list alone while one types."""
    template = "toolboxes/fleet.html" + ("#fleet" if request.headers.get("HX-Target") == "fleet" else "")
    return render(request, template, fleet(user_of(request), FleetQuery.parse(request.GET)))


@require_GET
def versions(request: HttpRequest) -> HttpResponse:
    """Which toolboxes run an old DTMA, and the command that upgrades each."""
    return render(request, "toolboxes/versions.html", pages.versions(user_of(request), request.GET.get("page")))


@require_GET
def removed(request: HttpRequest) -> HttpResponse:
    """The toolboxes that there were."""
    return render(request, "toolboxes/removed.html", pages.removed(user_of(request), request.GET.get("page")))


@require_GET
def overview(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """A toolbox: facts of its host, what is promised on it, how busy it was."""
    return render(request, "toolboxes/overview.html", pages.overview(user_of(request), toolbox_id))


@require_GET
def history(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """What happened to a toolbox."""
    severity = request.GET.get("severity", "")
    return render(request, "toolboxes/events.html", pages.history(user_of(request), toolbox_id, severity, request.GET.get("page")))


@never_cache
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """What can be changed of a toolbox; a POST renames it."""
    context = pages.settings(user_of(request), toolbox_id)
    form = RenameForm(request.POST or None, initial={"name": context["toolbox"].name})
    if request.method == "POST" and form.is_valid():
        try:
            renamed = rename_toolbox(toolbox=context["toolbox"], name=form.cleaned_data["name"])
        except (InvalidInput, Conflict) as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"It is called “{renamed.name}” now.")
            return redirect("toolboxes:settings", toolbox_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "toolboxes/settings.html", {**context, "form": form}, status=status)


@never_cache
@require_POST
def install(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Make a new install command. It is shown in this answer and never again."""
    user = user_of(request)
    made = enrol_again(toolbox=described_toolbox_for(user, toolbox_id), by=user)
    context = {**pages.settings(user, toolbox_id), "made": made}
    return render(request, "toolboxes/settings.html", {**context, "form": RenameForm(initial={"name": context["toolbox"].name})})


@require_POST
def revoke(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Let the toolbox's host count no more."""
    toolbox = described_toolbox_for(user_of(request), toolbox_id)
    if revoke_toolbox(toolbox=toolbox):
        messages.success(request, "Its certificates are revoked: it is neither heard nor called any more.")
    else:
        messages.info(request, "It had no certificate that counted.")
    return redirect("toolboxes:settings", toolbox_id)
