"""The form that asks for an upgrade: the settings that the new version needs and the server has not, and how it is to be done."""

from __future__ import annotations

from typing import Any

from django import forms

from mcp_registry.forms import PREFIX, field_of
from mcp_registry.upgrading.plan import Plan


class UpgradeForm(forms.Form):
    """One field for each setting that is missing; the services judge the values. Without room the trial is not chosen beforehand."""

    trial = forms.BooleanField(
        required=False,
        initial=True,
        label="Try it beside the old one first",
        help_text="The old one serves until the new one is ready, and is not touched if it is not. The trial has empty volumes.",
    )
    ask = forms.BooleanField(
        required=False,
        initial=True,
        label="Ask me where a tool is gone or changed",
        help_text="You see what differs, and decide then. Otherwise it is switched at once.",
    )

    def __init__(self, *args: Any, plan: Plan, has_room: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = plan.missing
        self.fields["trial"].initial = has_room
        for setting in plan.missing:
            self.fields[PREFIX + setting.key] = field_of(setting)

    @property
    def needed(self) -> list[forms.BoundField]:
        """What must be given."""
        return [self[PREFIX + setting.key] for setting in self.settings]

    def values(self, *, secret: bool) -> dict[str, str]:
        """What was entered, either the secrets or the rest; empty ones left out."""
        given = {
            setting.key: str(self.cleaned_data.get(PREFIX + setting.key) or "") for setting in self.settings if setting.secret is secret
        }
        return {key: value for key, value in given.items() if value}

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a service found at the fields that it is about."""
        for key, text in fields.items():
            name = PREFIX + key
            self.add_error(name if name in self.fields else None, text if name in self.fields else f"{key}: {text}")
