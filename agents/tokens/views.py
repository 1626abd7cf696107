"""The page of one's own API tokens."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import user_of
from accounts.services import MadeToken, revoke_api_token
from agentopia.lib.errors import Conflict, InvalidInput
from agents.tokens.forms import TokenForm
from agents.tokens.selectors import agent_names, is_over, tokens_of


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own API tokens; a POST makes one, which is shown in this answer and never again."""
    user = user_of(request)
    form = TokenForm(user, request.POST or None)
    made = _made(form) if request.method == "POST" else None
    if made is not None:
        form = TokenForm(user)
    shown = [{"token": token, "agents": agent_names(token), "over": is_over(token)} for token in tokens_of(user)]
    status = 422 if request.method == "POST" and made is None else 200
    return render(request, "agents/tokens/list.html", {"tokens": shown, "form": form, "made": made}, status=status)


def _made(form: TokenForm) -> MadeToken | None:
    """None where something is wrong with what was entered; the form says what."""
    if not form.is_valid():
        return None
    try:
        return form.make()
    except (Conflict, InvalidInput) as error:
        for name, problem in (error.fields or {"name": error.message}).items():
            form.add_error({"expires_at": "expires"}.get(name, name), problem)
        return None


@require_POST
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Let a token count no more."""
    name = revoke_api_token(user=user_of(request), token_id=token_id)
    messages.success(request, f"The token “{name}” is revoked.")
    return redirect("account:tokens")
