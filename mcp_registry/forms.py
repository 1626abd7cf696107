"""The form to deploy an entry: made from the settings that its manifest names."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from mcp_registry.manifest import Package, Profile, Setting, settings_of
from toolboxes.models import Toolbox
from toolboxes.selectors import toolboxes_for

PREFIX = "setting-"
VOLUME_PREFIX = "volume-"


class DeployForm(forms.Form):
    """Toolbox and name, then one field per setting; the services judge the values."""

    toolbox = forms.ModelChoiceField(queryset=Toolbox.objects.none(), empty_label=None)
    name = forms.CharField(
        required=False, max_length=63, help_text="Small letters, digits and hyphens. Left empty, it is called as the entry."
    )

    def __init__(self, *args: Any, user: User, package: Package, profile: Profile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings_of(package)
        toolboxes = toolboxes_for(user)
        self.several_toolboxes = len(toolboxes) > 1
        self.fields["toolbox"] = forms.ModelChoiceField(queryset=toolboxes, initial=toolboxes.first(), empty_label=None)
        for setting in self.settings:
            self.fields[PREFIX + setting.key] = _field(setting)
        for volume in profile.volumes:
            self.fields[VOLUME_PREFIX + volume.name] = forms.CharField(
                required=False,
                max_length=63,
                label=f"Shared folder at {volume.path}",
                help_text="Servers of one toolbox that name the same folder here work on the same files. Left empty, it has its own.",
            )

    @property
    def first(self) -> list[forms.BoundField]:
        """What must be given."""
        return [self[name] for name in self.fields if self._must_be_given(name)]

    @property
    def more(self) -> list[forms.BoundField]:
        """What may be given, or has one answer only."""
        return [self[name] for name in self.fields if not self._must_be_given(name)]

    @property
    def more_has_errors(self) -> bool:
        return any(bound.errors for bound in self.more)

    @property
    def problems(self) -> list[str]:
        """All that is wrong, a sentence each."""
        return [
            f"{self[name].label}: {text}" if name in self.fields else str(text) for name, texts in self.errors.items() for text in texts
        ]

    def _must_be_given(self, name: str) -> bool:
        return self.several_toolboxes if name == "toolbox" else self.fields[name].required

    def values(self, *, secret: bool) -> dict[str, str]:
        """What was entered, either the secrets or the rest; empty ones left out."""
        given = {
            setting.key: str(self.cleaned_data.get(PREFIX + setting.key) or "") for setting in self.settings if setting.secret is secret
        }
        return {key: value for key, value in given.items() if value}

    @property
    def shared_volumes(self) -> dict[str, str]:
        """Which volumes are to be shared, and under which name."""
        names = [name for name in self.fields if name.startswith(VOLUME_PREFIX)]
        return {name.removeprefix(VOLUME_PREFIX): self.cleaned_data[name] for name in names if self.cleaned_data[name]}

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a service found at the fields that it is about."""
        for key, text in fields.items():
            name = next((prefix + key for prefix in (PREFIX, VOLUME_PREFIX) if prefix + key in self.fields), key)
            self.add_error(name if name in self.fields else None, text)


def _field(setting: Setting) -> forms.Field:
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.description,
        "required": setting.required,
        "initial": setting.default,
    }
    hint = {"placeholder": setting.placeholder} if setting.placeholder else {}
    if setting.secret:
        return forms.CharField(**common, widget=forms.PasswordInput(attrs={"autocomplete": "off", **hint}), strip=False)
    choices = setting.choices or (("true", "false") if setting.format == "boolean" else ())
    if choices:
        offered = [(choice, choice) for choice in choices]
        return forms.ChoiceField(**common, choices=offered if setting.required or setting.default else [("", "—"), *offered])
    if setting.format == "number":
        return forms.FloatField(**common, widget=forms.NumberInput(attrs={"step": "any", **hint}))
    return forms.CharField(**common, widget=forms.TextInput(attrs=hint))
