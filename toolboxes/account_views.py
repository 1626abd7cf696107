"""The page of cloud accounts."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError
from toolboxes import add_pages
from toolboxes.add_forms import AccountForm, TokenForm
from toolboxes.job_selectors import cloud_account_for
from toolboxes.providers import provider_named
from toolboxes.services.accounts import add_account, remove_account, replace_token


@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    """All cloud accounts of the user."""
    return render(request, "toolboxes/add/accounts.html", add_pages.accounts(user_of(request)))


@require_http_methods(["GET", "POST"])
def account_add(request: HttpRequest, key: str) -> HttpResponse:
    """The form for a new account; a POST tests the token."""
    provider = provider_named(key)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            account = add_account(owner=user_of(request), provider=key, token=given["token"], label=given["label"])
        except AgentopiaError as error:
            _tell(form, error)
        else:
            messages.success(request, f"The account “{account.label}” was added.")
            return redirect("toolboxes:add-with", key)
    return _form(request, {"form": form, "provider": provider, "account": None})


@require_http_methods(["GET", "POST"])
def account_token(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """The form for another token of the same account."""
    account = cloud_account_for(user_of(request), account_id)
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            replace_token(owner=user_of(request), account_id=account_id, token=form.cleaned_data["token"])
        except AgentopiaError as error:
            _tell(form, error)
        else:
            messages.success(request, f"The token of “{account.label}” was replaced.")
            return redirect("toolboxes:accounts")
    return _form(request, {"form": form, "provider": provider_named(account.provider), "account": account})


@require_POST
def account_remove(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """Forget an account."""
    remove_account(owner=user_of(request), account_id=account_id)
    messages.success(request, "The account was removed, and its token with it.")
    return redirect("toolboxes:accounts")


def _tell(form: TokenForm, error: AgentopiaError) -> None:
    for name, text in (error.fields or {"": error.message}).items():
        form.add_error(name if name in form.fields else None, text)


def _form(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    return render(request, "toolboxes/add/account.html", context, status=422 if request.method == "POST" else 200)
