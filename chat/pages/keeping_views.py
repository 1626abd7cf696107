"""The page of one's account where one says how long conversations are kept."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from chat.models import ConversationPolicy
from chat.services.retention import keep_conversations, old_conversations, policy_of


class KeepingForm(forms.ModelForm[ConversationPolicy]):
    class Meta:
        model = ConversationPolicy
        fields = ("keep_days",)
        labels = {"keep_days": "Keep conversations for (days)"}
        help_texts = {"keep_days": "Counted from the last message. Empty: they are kept until you delete them."}


@never_cache
@require_http_methods(["GET", "POST"])
def keeping(request: HttpRequest) -> HttpResponse:
    """Retention."""
    user = user_of(request)
    form = KeepingForm(request.POST if request.method == "POST" else None, instance=policy_of(user))
    if request.method == "POST" and form.is_valid():
        is_changed = keep_conversations(user=user, days=form.cleaned_data["keep_days"])
        messages.success(request, _told(old_conversations(policy_of(user)).count()) if is_changed else "Nothing is changed by this.")
        return redirect("account:conversations")
    return render(request, "chat/keeping.html", {"form": form}, status=422 if form.is_bound else 200)


def _told(old: int) -> str:
    if not old:
        return "Saved. No conversation is older than that now."
    return (
        f"Saved. {old} conversation{'s are' if old != 1 else ' is'} older than that, and deleted within a day; pin what you want to keep."
    )
