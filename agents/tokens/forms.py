"""What is typed to make an API token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.services import LONGEST_NAME, MOST_PER_MINUTE, MadeToken, make_token
from agents.models import Agent
from agents.services.tokens import make_agent_token

ENDS = {"": "When I revoke it", "7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}
USUAL_END = "90"


def end_in(days: str) -> datetime | None:
    """The moment so many days from now; None for no end."""
    return timezone.now() + timedelta(days=int(days)) if days else None


class TokenForm(forms.Form):
    """A new token of one user's."""

    name = forms.CharField(
        label="What is it for?",
        max_length=LONGEST_NAME,
        help_text="For example the program that will use it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(choices=ApiToken.Scope.choices, required=False, widget=forms.RadioSelect)
    agents = forms.ModelMultipleChoiceField(
        queryset=Agent.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "One of these agents is not there any more. Choose again."},
    )
    expires = forms.ChoiceField(label="It ends", choices=list(ENDS.items()), required=False)
    calls_per_minute = forms.IntegerField(
        label="Tool calls a minute", required=False, min_value=1, max_value=MOST_PER_MINUTE, help_text="Empty: as many as the agent may."
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": {"expires": USUAL_END, "scope": ApiToken.Scope.ACCOUNT}, **kwargs})
        self.user = user
        own: Any = self.fields["agents"]
        own.queryset = Agent.objects.filter(owner=user).order_by("name", "pk")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["scope"] = given.get("scope") or ApiToken.Scope.ACCOUNT
        if given["scope"] == ApiToken.Scope.AGENTS and not given.get("agents") and "agents" not in self.errors:
            self.add_error("agents", "Choose at least one agent.")
        return given

    def make(self) -> MadeToken:
        """The token; raises as `make_token` and `make_agent_token` do."""
        given = self.cleaned_data
        rest = {"expires_at": end_in(given["expires"]), "calls_per_minute": given["calls_per_minute"]}
        if given["scope"] == ApiToken.Scope.AGENTS:
            return make_agent_token(user=self.user, name=given["name"], agents=[agent.pk for agent in given["agents"]], **rest)
        return make_token(user=self.user, name=given["name"], **rest)
