"""Pages that add a toolbox, follow its making or removing, and keep cloud accounts."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput
from toolboxes import add_pages, install_commands
from toolboxes.job_selectors import toolbox_or_removed_for
from toolboxes.providers import provider_named, provider_of
from toolboxes.providers.base import Provider, ToolboxForm
from toolboxes.services.adding import add_toolbox
from toolboxes.services.enrolment import new_token
from toolboxes.services.jobs import remove_toolbox, retry_job


@require_GET
def add(request: HttpRequest) -> HttpResponse:
    """Where the machine comes from."""
    return render(request, "toolboxes/add/choose.html", add_pages.choose(user_of(request)))


@require_http_methods(["GET", "POST"])
def add_with(request: HttpRequest, key: str) -> HttpResponse:
    """A provider's form. HTMX asks for its fields alone when a choice changes what else is offered."""
    user, provider = user_of(request), provider_named(key)
    context = {"provider": provider, "missing": provider.missing(user)}
    if context["missing"] is not None:
        return render(request, "toolboxes/add/form.html", context)
    try:
        if request.method == "GET":
            form = provider.form(user, initial=request.GET.dict())
            only_fields = request.headers.get("HX-Target") == "fields"
            return render(request, "toolboxes/add/form.html" + ("#fields" if only_fields else ""), {**context, "form": form})
        form = provider.form(user, request.POST)
    except AgentopiaError as error:  # the provider itself cannot say now what it offers
        return render(request, "toolboxes/add/form.html", {**context, "problem": error.message})
    return _added(request, provider, form) or render(request, "toolboxes/add/form.html", {**context, "form": form}, status=422)


def _added(request: HttpRequest, provider: Provider, form: ToolboxForm) -> HttpResponse | None:
    """None where something is wrong with what was entered; the form says what."""
    if not form.is_valid():
        return None
    try:
        toolbox = add_toolbox(owner=form.user, provider=provider.key, data=request.POST.dict())
    except (InvalidInput, Conflict) as error:
        for name, text in (error.fields or {"": error.message}).items():
            form.add_error(name if name in form.fields else None, text)
        return None
    if provider.needs_command:
        install_commands.keep(request.session, toolbox.pk, new_token(toolbox=toolbox, by=form.user))
    return redirect("toolboxes:setup", toolbox.pk)


@require_GET
@never_cache
def setup(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """The steps of a toolbox's making or removing, and the command to run, for the browser that made it."""
    context = add_pages.setup(user_of(request), toolbox_id)
    command = install_commands.kept(request.session, context["toolbox"]) if context["wants_command"] else None
    return render(request, "toolboxes/add/setup.html", {**context, "command": command})


@require_POST
def command(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """A new install command; the one before counts no more."""
    toolbox = toolbox_or_removed_for(user_of(request), toolbox_id)
    if toolbox.deleted_at is not None or not provider_of(toolbox).needs_command:
        raise Conflict("This toolbox needs no install command.", code="no_command")
    install_commands.keep(request.session, toolbox.pk, new_token(toolbox=toolbox, by=user_of(request)))
    return redirect("toolboxes:setup", toolbox.pk)


@require_POST
def retry(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Try again what failed."""
    retry_job(owner=user_of(request), toolbox_id=toolbox_id)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)  # what comes of it arrives over the page's WebSocket
    return redirect("toolboxes:setup", toolbox_id)


@require_POST
def remove(request: HttpRequest, toolbox_id: UUID) -> HttpResponse:
    """Remove a toolbox; the page of the removal follows it."""
    job = remove_toolbox(owner=user_of(request), toolbox_id=toolbox_id)
    messages.success(request, f"“{job.toolbox.name}” is being removed.")
    return redirect("toolboxes:setup", toolbox_id)
