"""Pages of a toolbox that show its servers: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from mcp_registry.on_toolbox import pages as toolbox_pages
from mcp_registry.services import orphans
from toolboxes.forms import ConfirmForm
from toolboxes.selectors import described_toolbox_for
from toolboxes.services.jobs import remove_toolbox


@require_GET
def servers(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """The servers of a toolbox, and the containers on it that nobody owns."""
    return render(request, "toolboxes/servers.html", toolbox_pages.servers(user_of(request), toolbox_id, request.GET.get("page")))


@require_GET
def capacity(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """What is promised to its servers, as a part of the toolbox's first page."""
    return render(request, "toolboxes/capacity.html", toolbox_pages.capacity(user_of(request), toolbox_id))


@require_POST
def adopt(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Make one of those that nobody owns a server of the user's, as it is."""
    user = user_of(request)
    adopted = orphans.adopt(owner=user, toolbox=described_toolbox_for(user, toolbox_id), key=request.POST.get("key", ""))
    messages.success(request, f"“{adopted.name}” is one of your servers now.")
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("servers:detail", args=(adopted.pk,))})
    return redirect("servers:detail", adopted.pk)


@require_http_methods(["GET", "POST"])
def remove_orphan(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Ask whether one of those that nobody owns is to be removed, and whether with its data; a POST removes it."""
    user = user_of(request)
    if request.method == "GET":
        return render(request, "toolboxes/orphan_removal.html", toolbox_pages.orphan(user, toolbox_id, request.GET.get("key", "")))
    context = toolbox_pages.orphan(user, toolbox_id, request.POST.get("key", ""))
    volumes: orphans.Volumes = "remove" if request.POST.get("volumes") == "remove" else "keep"
    orphans.remove(owner=user, toolbox=context["toolbox"], key=context["orphan"].key, volumes=volumes)
    messages.success(request, f"“{context['orphan'].name}” was removed.")
    return redirect("toolbox:servers", toolbox_id)


@require_http_methods(["GET", "POST"])
def removal(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """What the removal of a toolbox destroys; a POST with its name removes it, and leads to the page that shows how that gets on."""
    user = user_of(request)
    context = toolbox_pages.removal(user, toolbox_id)
    form = ConfirmForm(request.POST or None, name=context["toolbox"].name)
    if request.method == "POST" and form.is_valid():
        remove_toolbox(owner=user, toolbox_id=toolbox_id)
        messages.success(request, f"“{context['toolbox'].name}” is being removed.")
        return redirect("toolboxes:setup", toolbox_id)
    return render(request, "toolboxes/removal.html", {**context, "form": form}, status=422 if request.method == "POST" else 200)
