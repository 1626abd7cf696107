"""The pages of one's own account: the password."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.decorators.debug import sensitive_variables

from accounts import pauses
from accounts.requests import user_of
from accounts.services import note_password_change
from agentopia.lib.errors import AgentopiaError


class OwnPasswordForm(PasswordChangeForm):
    """Whoever sits at an open session has no more guesses at the old password than at the sign-in."""

    @sensitive_variables()
    def clean_old_password(self) -> str:
        attempt = pauses.Attempt(pauses.ACCOUNT, self.user.get_username())
        try:
            attempt.begin()
        except AgentopiaError as error:
            raise ValidationError(error.message, code=error.code) from None
        old: str = super().clean_old_password()
        attempt.forget()
        return old


class Password(PasswordChangeView):
    """The password of who is signed in. Other browsers are signed out by the change; API tokens go on."""

    template_name = "account/password.html"
    success_url = reverse_lazy("account:password")
    form_class = OwnPasswordForm

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        note_password_change(user=user_of(self.request))
        messages.success(self.request, "Your password is changed. Other browsers are signed out.")
        return answer

    def form_invalid(self, form: Any) -> HttpResponse:
        answer = super().form_invalid(form)
        answer.status_code = 422
        return answer
