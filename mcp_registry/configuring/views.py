"""Pages about a server's configuration: parse the request, draft or call one service, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput
from mcp_registry import selectors
from mcp_registry.configuring import pages as settings_pages
from mcp_registry.configuring.drafts import Draft, draft_change
from mcp_registry.configuring.forms import SettingsForm
from mcp_registry.configuring.small_forms import CloneForm
from mcp_registry.services.configuration import configure_server, overtaken, roll_back
from mcp_registry.services.servers import clone_server
from toolboxes.selectors import toolbox_for


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's settings. A POST shows what a change would do; one that says so applies it."""
    user = user_of(request)
    context = settings_pages.settings(user, server_id)
    server, newest = context["server"], context["newest"]
    base = selectors.revision_of(server, _number(request.POST.get("base"), newest.generation))
    form = SettingsForm(request.POST or None, server=server, base=base)
    context |= {"form": form, "base": base.generation, "seen": newest.generation}
    context["overtaken"] = overtaken(server, _number(request.POST.get("seen"), None))
    if request.method == "GET":
        return render(request, "mcp_registry/settings.html", context)
    if form.is_valid():
        try:
            applying = request.POST.get("step") == "apply" and context["overtaken"] is None
            draft = draft_change(server, form.change)
            if applying and request.POST.get("digest") == draft.digest:
                return _applied(request, server_id, form)
            context |= {"draft": draft, "other": applying}
        except (InvalidInput, Conflict) as error:
            if error.code in ("not_confirmed", "changed_meanwhile"):
                context |= {"draft": draft_change(server, form.change), "unconfirmed": error.code == "not_confirmed", "other": False}
            else:
                form.add_problems(error.fields or {"": error.message})
    part = "#draft" if request.headers.get("HX-Request") else ""
    return render(request, f"mcp_registry/settings.html{part}", context, status=422 if form.errors else 200)


def _applied(request: HttpRequest, server_id: UUID, form: SettingsForm) -> HttpResponse:
    seen = _number(request.POST.get("seen"), form.server.generation)
    draft = configure_server(
        owner=user_of(request),
        server_id=server_id,
        change=form.change,
        expected_generation=seen,
        confirmed=request.POST.getlist("confirm"),
    )
    if draft.changes_something:
        _tell(request, draft, f"“{draft.server.name}” is being changed.")
    elif draft.changes_sharing:
        messages.success(request, "Saved.")
    else:
        messages.info(request, "Nothing was changed, so nothing was done.")
    return _go_to(request, reverse("servers:detail", args=(server_id,)))


def _tell(request: HttpRequest, draft: Draft, text: str) -> None:
    """Say what was done, with a button that undoes it."""
    context = {"server": draft.server, "text": text, "generation": settings_pages.undo_of(draft.server)}
    messages.success(request, render_to_string("mcp_registry/undo.html", context))


@require_http_methods(["GET", "POST"])
def generation(request: HttpRequest, server_id: UUID, number: int) -> HttpResponse:
    """An earlier generation and what going back to it would do; a POST goes back."""
    user = user_of(request)
    if request.method == "GET":
        return render(request, "mcp_registry/revision.html", settings_pages.generation(user, server_id, number))
    try:
        draft = roll_back(
            owner=user,
            server_id=server_id,
            generation=number,
            by=user,
            expected_generation=_number(request.POST.get("seen"), None),
            confirmed=request.POST.getlist("confirm"),
        )
    except Conflict as error:
        if error.code not in ("changed_meanwhile", "not_confirmed"):
            raise
        if request.headers.get("HX-Request"):  # an undo in a toast: the page says what has to be decided
            messages.warning(request, error.message)
            return _go_to(request, reverse("servers:generation", args=(server_id, number)))
        context = {**settings_pages.generation(user, server_id, number), "problem": error.message}
        return render(request, "mcp_registry/revision.html", context, status=409)
    if draft.changes_something:
        _tell(request, draft, f"“{draft.server.name}” goes back to generation {number}.")
    else:
        messages.info(request, f"It is as it was at generation {number} already, so nothing was done.")
    return _go_to(request, reverse("servers:detail", args=(server_id,)))


@require_http_methods(["GET", "POST"])
def clone(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """Make another server of the same; a POST makes it, and shows the form again where something is wrong."""
    user = user_of(request)
    context = settings_pages.clone(user, server_id)
    form = CloneForm(request.POST or None, server=context["server"], need=context["need"])
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data["toolbox"]
        try:
            made = clone_server(
                owner=user,
                server_id=server_id,
                name=form.cleaned_data["name"],
                toolbox=toolbox_for(user, chosen) if chosen else None,
                force=form.cleaned_data["force"],
            )
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.fields or {"": error.message})
        else:
            messages.success(request, f"“{made.name}” is being deployed.")
            return redirect("servers:detail", made.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "mcp_registry/clone.html", {**context, "form": form}, status=status)


def _number[Default: int | None](text: str | None, default: Default) -> int | Default:
    return int(text) if text and text.isdecimal() and len(text) < 19 else default


def _go_to(request: HttpRequest, url: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)
