"""Signing in and out: the only way in for people, the admin's too."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables

from accounts import audit, pauses
from accounts.acting import acting_now
from accounts.addresses import network_of
from accounts.models import User
from agentopia.lib.errors import AgentopiaError

NO_ADDRESS = "something that is no e-mail address"
"""What is recorded in place of what was typed: it may have been a password in the wrong field."""


class SignInForm(AuthenticationForm):
    """Says of no account whether it exists: all that is wrong looks and counts the same."""

    waits = 0
    """Seconds to wait, where it was not even tried."""

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        given = super(AuthenticationForm, self).clean() or self.cleaned_data
        if not (given.get("username") and given.get("password")):
            return given
        account = pauses.Attempt(pauses.ACCOUNT, given["username"].strip().lower())
        address = pauses.Attempt(pauses.ADDRESS, network_of(acting_now().address))
        try:
            pauses.begin_all(account, address)
        except AgentopiaError as error:
            self.waits = error.seconds if isinstance(error, pauses.TooManyAttempts) else 1
            raise ValidationError(error.message, code=error.code) from None
        try:
            return super().clean()
        except ValidationError as error:
            pause = max(account.left(), address.left())
            note_failure(given["username"].strip().lower(), pause)
            if not pause:
                raise
            raise ValidationError([*error.messages, f"You can try again in {pauses.in_words(pause)}."], code=error.code) from None
        finally:
            if self.user_cache is not None:
                account.forget()
                address.succeeded()


@transaction.atomic
def note_failure(email: str, pause: int) -> None:
    """Record that somebody could not sign in; never what password was tried."""
    user = User.objects.filter(email=email).first()
    target = user or audit.Target("user", "", email if _is_email(email) else NO_ADDRESS)
    summary = "Wrong address or password" + (f"; the next attempt is possible in {pauses.in_words(pause)}" if pause else "")
    audit.record(action="user.sign_in_failed", target=target, owner=user, summary=summary)


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 200


class SignIn(views.LoginView):
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @transaction.atomic
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_valid(form)
        user = form.get_user()
        assert isinstance(user, User)
        audit.record(action="user.signed_in", target=user, owner=user, by=user)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        if isinstance(form, SignInForm) and form.waits:
            answer.status_code = 429
            answer.headers["Retry-After"] = str(form.waits)
        return answer


class SignOut(views.LogoutView):
    @transaction.atomic
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            audit.record(action="user.signed_out", target=request.user, owner=request.user)
        return super().post(request, *args, **kwargs)
