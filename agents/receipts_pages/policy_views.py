"""The page of one's account where one says how long receipts are kept, and how much may be called."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from agents.receipts_pages.policy import PolicyForm, change_policy, policy_of


@never_cache
@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest) -> HttpResponse:
    """Retention and limits."""
    user = user_of(request)
    form = PolicyForm(request.POST if request.method == "POST" else None, instance=policy_of(user))
    if request.method == "POST" and form.is_valid():
        changed = change_policy(user=user, values=form.cleaned_data)
        messages.success(request, "Saved; it counts from the next call on." if changed else "Nothing is changed by this.")
        return redirect("account:calls")
    return render(request, "agents/call_policy.html", {"form": form}, status=422 if form.is_bound else 200)
