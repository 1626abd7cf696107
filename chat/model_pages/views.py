"""Pages of one's providers of models: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError
from chat.model_pages import pages
from chat.model_pages.forms import ChangedProviderForm, NewProviderForm, ProviderForm
from chat.providers import preset_named
from chat.providers.selectors import own_provider
from chat.providers.services import Kept, add_provider, change_provider, remove_provider, retest_provider
from chat.providers.testing import FAILED


@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """One's own providers, those that are shared, and what can be added."""
    return render(request, "chat/models/list.html", pages.overview(user_of(request)))


@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """What one's agents used of models in a month, and what that cost."""
    return render(request, "chat/models/usage.html", pages.usage(user_of(request), request.GET.get("month", "")))


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, preset: str) -> HttpResponse:
    """The form for a new provider; a POST tests it."""
    kind, chosen = preset_named(preset)
    form = NewProviderForm(chosen, request.POST if request.method == "POST" else None)
    may_keep = False
    if request.method == "POST" and form.is_valid():
        values = form.values()
        values.setdefault("base_url", chosen.base_url)
        try:
            kept = add_provider(owner=user_of(request), kind=kind.key, untested=form.cleaned_data["untested"], **values)
        except AgentopiaError as error:
            may_keep = _tell(form, error)
        else:
            _tell_outcome(request, kept, "is added")
            return redirect("account:models") if kept.provider.default_model else redirect("account:model", kept.provider.pk)
    context = {"form": form, "kind": kind, "preset": chosen, "may_keep": may_keep}
    return render(request, "chat/models/add.html", context, status=422 if request.method == "POST" else 200)


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "POST"])
def provider(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """One of one's own: how its test went, what can be changed, who uses it."""
    user = user_of(request)
    context = pages.provider(user, provider_id)
    form = ChangedProviderForm(context["provider"], request.POST if request.method == "POST" else None, usual_url=context["kind"].base_url)
    may_keep = False
    if request.method == "POST" and form.is_valid():
        try:
            kept = change_provider(owner=user, provider_id=provider_id, untested=form.cleaned_data["untested"], **form.values())
        except AgentopiaError as error:
            may_keep = _tell(form, error)
        else:
            _tell_outcome(request, kept, "is saved")
            return redirect("account:model", provider_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "chat/models/provider.html", {**context, "form": form, "may_keep": may_keep}, status=status)


@require_POST
def retest(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Test one as it is."""
    _tell_outcome(request, retest_provider(owner=user_of(request), provider_id=provider_id), "works")
    return redirect("account:model", provider_id)


@require_POST
def remove(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Forget one, with its key."""
    user = user_of(request)
    name = own_provider(user, provider_id).name
    remove_provider(owner=user, provider_id=provider_id)
    messages.success(request, f"“{name}” is deleted, and its key with it.")
    return redirect("account:models")


def _tell(form: ProviderForm, error: AgentopiaError) -> bool:
    """Put it at its fields; whether it is of a kind that may be disregarded."""
    form.add_problems(error.message, error.fields)
    return error.code in FAILED


def _tell_outcome(request: HttpRequest, kept: Kept, done: str) -> None:
    """What came of it, as a toast."""
    outcome: Any = kept.outcome
    if outcome is None:
        messages.success(request, f"“{kept.provider.name}” {done}.")
    elif outcome.error is not None:
        messages.error(request, outcome.error.message)
    else:
        count = len(outcome.models)
        listed = f": it lists {count} model{'' if count == 1 else 's'}" if count else ""
        messages.success(request, f"“{kept.provider.name}” {done}{listed}.")
        if outcome.note:
            messages.warning(request, outcome.note)
