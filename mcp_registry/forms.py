"""The form to deploy an entry: made from the settings that its manifest names."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from mcp_registry.manifest import Package, Profile, Setting, settings_of
from mcp_registry.placement import Need, Obstacle, Room, amount, choose_among, fits, need_of, rooms
from toolboxes.models import Toolbox

PREFIX = "setting-"
VOLUME_PREFIX = "volume-"


class ToolboxSelect(forms.Select):
    """Offers toolboxes; those in ``refused`` can be seen but not chosen."""

    refused: frozenset[str] = frozenset()

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if str(value) in self.refused:
            option["attrs"]["disabled"] = True
        return option


class DeployForm(forms.Form):
    """Toolbox and name, then one field per setting; the services judge the values.

    Toolboxes that it does not fit on are not offered, with the reason, unless ``anyway``: then those are that may work all the same.
    """

    toolbox = forms.ChoiceField(required=False, widget=ToolboxSelect)
    force = forms.BooleanField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        required=False,
        max_length=63,
        help_text="Small letters, digits and hyphens. Left empty, it is called as the entry.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "pattern": "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?",
                "data-pattern": "Small letters, digits and hyphens; a letter or digit first and last.",
            }
        ),
    )

    def __init__(
        self, *args: Any, user: User, package: Package, profile: Profile, for_all: bool = True, anyway: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings_of(package)
        self.need = need = need_of(package, profile)
        self.rooms = [(room, fits(need, room)) for room in rooms(user)]
        self.fitting = [room for room, obstacle in self.rooms if obstacle is None]
        self.anyway = anyway or bool(self.data.get("force"))
        self.fields["toolbox"] = self._toolbox_field(need)
        self.fields["force"].initial = "on" if self.anyway else ""
        for setting in self.settings:
            self.fields[PREFIX + setting.key] = field_of(setting)
        for volume in profile.volumes:
            self.fields[VOLUME_PREFIX + volume.name] = forms.CharField(
                required=False,
                max_length=63,
                label=f"Shared folder at {volume.path}",
                help_text="Servers of one toolbox that name the same folder here work on the same files. Left empty, it has its own.",
            )
        if for_all and self.settings:
            self.fields["shares_tools"] = forms.BooleanField(
                required=False,
                label="Show its list of tools on the entry's page",
                help_text="Their names and descriptions, to everybody who may deploy the same entry. Never its settings.",
            )

    def _toolbox_field(self, need: Need) -> forms.ChoiceField:
        best = max(self.fitting, key=lambda room: room.memory_left, default=None)
        first = "None fits" if best is None else f"Best fit: {best.toolbox}"
        choices = [("", first), *((str(room.toolbox.pk), room_words(room, obstacle)) for room, obstacle in self.rooms)]
        refused = [room for room, obstacle in self.rooms if obstacle is not None and (obstacle.final or not self.anyway)]
        field = forms.ChoiceField(
            choices=choices,
            required=False,
            widget=ToolboxSelect,
            help_text=f"It needs {amount(need.memory)} of memory and about {amount(need.disk)} of disk.",
        )
        assert isinstance(field.widget, ToolboxSelect)
        field.widget.refused = frozenset(str(room.toolbox.pk) for room in refused)
        return field

    @property
    def chosen_toolbox(self) -> Toolbox | None:
        """The one that was chosen; None: where it fits best."""
        return next((room.toolbox for room, _ in self.rooms if str(room.toolbox.pk) == self.cleaned_data["toolbox"]), None)

    @property
    def place(self) -> str:
        """Where it goes if no toolbox is named, and why; empty where it fits on none."""
        return choose_among([room for room, _ in self.rooms], self.need).why if self.fitting else ""

    def ask_for_secrets_again(self) -> None:
        """A form that comes back has lost the secrets that were typed: they are never sent to a page. Say so at each."""
        for setting in self.settings:
            name = PREFIX + setting.key
            if setting.secret and self.data.get(name) and name not in self.errors:
                self.add_error(name, "Type it again: secrets are not sent back to a page.")

    @property
    def may_be_forced(self) -> bool:
        """Whether there is a toolbox that it does not fit on, but may be deployed to anyway."""
        return not self.anyway and any(obstacle is not None and not obstacle.final for _, obstacle in self.rooms)

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
        if name == "toolbox":
            return len(self.rooms) > 1 or not self.fitting
        return self.fields[name].required

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


def room_words(room: Room, obstacle: Obstacle | None) -> str:
    """A toolbox in a list to choose from: what it has left, or why it does not fit."""
    if obstacle is not None:
        return f"{room.toolbox}: {obstacle.reason}"
    return f"{room.toolbox}: {amount(room.memory_left)} of memory and {amount(room.disk_left)} of disk left"


def field_of(setting: Setting) -> forms.Field:
    """The field that a setting is entered in."""
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.description,
        "required": setting.required,
        "initial": setting.default,
    }
    attrs = {"autocomplete": "off", "spellcheck": "false"} | ({"placeholder": setting.placeholder} if setting.placeholder else {})
    match setting.kind:
        case "secret":
            return forms.CharField(**common, widget=forms.PasswordInput(attrs=attrs), strip=False)
        case "choice" | "boolean":
            offered = [(choice, choice) for choice in setting.choices or ("true", "false")]
            return forms.ChoiceField(**common, choices=offered if setting.required or setting.default else [("", "—"), *offered])
        case "lines":
            return forms.CharField(**common, widget=forms.Textarea(attrs={**attrs, "rows": 2}))
        case "number":
            return forms.FloatField(**common, widget=forms.NumberInput(attrs={**attrs, "step": "any"}))
        case "url":
            return forms.CharField(**common, widget=forms.URLInput(attrs=attrs))
        case "path" | "text":
            return forms.CharField(**common, widget=forms.TextInput(attrs=attrs))
