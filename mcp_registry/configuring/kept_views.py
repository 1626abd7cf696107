"""Pages of what is kept of deleted servers, and the deletion itself."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import InvalidInput
from mcp_registry import pages
from mcp_registry.configuring import pages as settings_pages
from mcp_registry.configuring.small_forms import TypedNameForm
from mcp_registry.services.kept_data import remove_kept_data, restore_server
from mcp_registry.services.servers import delete_server


@require_POST
def delete(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """Delete a server. What it has stored goes only where its name was typed; kept, it can be restored, from the toast at once."""
    user = user_of(request)
    context = pages.server(user, server_id)
    server, keep = context["server"], request.POST.get("volumes") == "keep"
    if not keep and context["own_volumes"]:
        form = TypedNameForm(request.POST, name=server.name)
        if not form.is_valid():
            raise InvalidInput(f"Type “{server.name}” to delete its data with it. Nothing was deleted.")
    doomed = delete_server(owner=user, server_id=server_id, keep_volumes=keep)
    messages.success(request, render_to_string("mcp_registry/deleted.html", {"server": doomed, "kept": keep}))
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("servers:list")})
    return redirect("servers:list")


@require_GET
def kept(request: HttpRequest) -> HttpResponse:
    """What is kept of deleted servers."""
    return render(request, "mcp_registry/kept.html", settings_pages.kept(user_of(request)))


@require_POST
def restore(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """Undo a deletion."""
    restored = restore_server(owner=user_of(request), server_id=server_id)
    messages.success(request, f"“{restored.name}” is being restored.")
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("servers:detail", args=(restored.pk,))})
    return redirect("servers:detail", restored.pk)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """Ask whether what is kept is to be removed for good; a POST with its name removes it."""
    user = user_of(request)
    shown = settings_pages.kept_of(user, server_id)
    form = TypedNameForm(request.POST or None, name=shown.kept.name)
    if request.method == "POST" and form.is_valid():
        remove_kept_data(owner=user, server_id=server_id)
        messages.success(request, f"The data of “{shown.kept.name}” is being removed.")
        return redirect("servers:kept")
    return render(request, "mcp_registry/kept_removal.html", {"row": shown, "form": form}, status=422 if request.method == "POST" else 200)
