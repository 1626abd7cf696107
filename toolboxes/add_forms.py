"""The forms of cloud accounts."""

from __future__ import annotations

from django import forms


class TokenForm(forms.Form):
    """A token; what was entered is never sent back."""

    token = forms.CharField(
        label="API token",
        max_length=400,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="It is tested at once, encrypted, and never shown again.",
    )


class AccountForm(TokenForm):
    """A new account."""

    label = forms.CharField(required=False, max_length=80, help_text="What you call the account. Left empty, it is called as its team.")
