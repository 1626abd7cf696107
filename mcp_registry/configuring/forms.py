"""The form of a server's settings, made from what its entry says can be set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms

from dtma_wire import Egress, RestartPolicy
from mcp_registry.configuring.changes import Change
from mcp_registry.configuring.overrides import LIMITS, effective_profile, host_text, restart_policy
from mcp_registry.forms import PREFIX, VOLUME_PREFIX, field_of
from mcp_registry.manifest import Manifest, Setting, settings_of
from mcp_registry.models import McpServer, Specification

REMOVE_PREFIX = "remove-"
EGRESS = [
    (Egress.NONE.value, "No network"),
    (Egress.ALLOWLIST.value, "Named hosts only"),
    (Egress.OPEN.value, "The whole internet"),
]
RESTART = [
    (RestartPolicy.ALWAYS.value, "Always start it again"),
    (RestartPolicy.ON_FAILURE.value, "Start it again after a failure only"),
    (RestartPolicy.NEVER.value, "Never start it again"),
]
UNITS = {"memory_mb": "Memory in MB", "cpus": "Processors", "pids": "Processes"}


@dataclass(frozen=True)
class SecretField:
    """A secret that can be typed but not read: ``bound`` takes a new value, ``remove`` takes it away, where it may be missing."""

    bound: forms.BoundField
    is_set: bool
    set_at: datetime | None
    remove: forms.BoundField | None


class SettingsForm(forms.Form):
    """All that can be set of a server. ``base`` is what it was made from when the form was first shown.

    What differs from that is the change: so what somebody else changed meanwhile stays. The services judge the values.
    """

    def __init__(self, *args: Any, server: McpServer, base: Specification, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manifest = Manifest.model_validate(server.manifest)
        self.server, self.base = server, base
        self.settings = settings_of(manifest.packages[server.package])
        self.volumes = manifest.profile.volumes
        for setting in self.settings:
            self._add_setting(setting)
        self._add_limits(manifest)
        self._add_network(manifest)
        for volume in self.volumes:
            self.fields[VOLUME_PREFIX + volume.name] = forms.CharField(
                required=False,
                max_length=63,
                label=f"Shared folder at {volume.path}",
                initial=base.shared_volumes.get(volume.name, ""),
                help_text="Servers of one toolbox that name the same folder here work on the same files. Left empty, it has its own.",
            )
        self.fields["shares_tools"] = forms.BooleanField(
            required=False,
            initial=server.shares_tools,
            label="Let the catalogue show which tools it has",
            help_text="Their names and descriptions, to all who may deploy the same entry. Never its settings, nor what you do with it.",
        )

    def _add_setting(self, setting: Setting) -> None:
        field = field_of(setting)
        if setting.secret:
            is_set = setting.key in self.base.secrets
            field.required = setting.required and not is_set
            field.widget.attrs["placeholder"] = "Leave empty to keep it" if is_set else setting.placeholder
            if is_set and not setting.required:
                self.fields[REMOVE_PREFIX + setting.key] = forms.BooleanField(required=False, label="Remove it")
        else:
            field.initial = self.base.config.get(setting.key, setting.default)
        self.fields[PREFIX + setting.key] = field

    def _add_limits(self, manifest: Manifest) -> None:
        now = effective_profile(manifest, self.base.overrides)
        for name in LIMITS:
            kind = forms.FloatField if name == "cpus" else forms.IntegerField
            asked = f"{getattr(manifest.profile, name):g}"
            self.fields[name] = kind(
                required=False, label=UNITS[name], initial=getattr(now, name), help_text=f"Left empty: {asked}, as its entry asks for."
            )

    def _add_network(self, manifest: Manifest) -> None:
        now = effective_profile(manifest, self.base.overrides)
        self.fields["egress"] = forms.ChoiceField(choices=EGRESS, initial=now.egress.value, label="Network")
        self.fields["hosts"] = forms.CharField(
            required=False,
            label="Hosts that it may reach",
            initial="\n".join(host_text(host) for host in now.hosts),
            widget=forms.Textarea(attrs={"rows": 2, "placeholder": "api.example.org", "spellcheck": "false"}),
            help_text="One a line, with :PORT where it is not 443. Counts with “Named hosts only”.",
        )
        self.fields["restart"] = forms.ChoiceField(
            choices=RESTART,
            initial=restart_policy(self.base.overrides).value,
            label="When it ends by itself",
            help_text="After a restart of the machine or of DTMA, a server that is to run is started whatever this says.",
        )

    @property
    def first(self) -> list[forms.BoundField | SecretField]:
        """What must be set, and what is."""
        return [self._shown(setting) for setting in self.settings if self._is_first(setting)]

    @property
    def others(self) -> list[forms.BoundField | SecretField]:
        """What may be set and is not."""
        return [self._shown(setting) for setting in self.settings if not self._is_first(setting)]

    @property
    def limits(self) -> list[forms.BoundField]:
        return [self[name] for name in LIMITS]

    @property
    def network(self) -> list[forms.BoundField]:
        return [self["egress"], self["hosts"]]

    @property
    def folders(self) -> list[forms.BoundField]:
        return [self[VOLUME_PREFIX + volume.name] for volume in self.volumes]

    @property
    def more_has_errors(self) -> bool:
        """Whether something is wrong in what is folded away."""
        names = {PREFIX + setting.key for setting in self.settings if self._is_first(setting)}
        return any(name not in names for name in self.errors)

    def _is_first(self, setting: Setting) -> bool:
        return setting.required or setting.key in self.base.config or setting.key in self.base.secrets

    def _shown(self, setting: Setting) -> forms.BoundField | SecretField:
        bound = self[PREFIX + setting.key]
        if not setting.secret:
            return bound
        at = self.server.secrets_set_at.get(setting.key)
        remove = self[REMOVE_PREFIX + setting.key] if REMOVE_PREFIX + setting.key in self.fields else None
        return SecretField(bound, setting.key in self.base.secrets, datetime.fromisoformat(at) if at else None, remove)

    # --- what was entered ---

    @property
    def change(self) -> Change:
        """What was entered otherwise than it was; valid forms alone have one."""
        plain = {setting.key: self._text(PREFIX + setting.key) for setting in self.settings if not setting.secret}
        return Change(
            config={key: value or None for key, value in plain.items() if value != self._before(key)},
            secrets=self._secrets(),
            overrides=self._overrides(),
            shared_volumes={
                volume.name: self._text(VOLUME_PREFIX + volume.name) or None
                for volume in self.volumes
                if self._text(VOLUME_PREFIX + volume.name) != self.base.shared_volumes.get(volume.name, "")
            },
            shares_tools=bool(self.cleaned_data["shares_tools"]),
        )

    def _text(self, name: str) -> str:
        return _plain(self.cleaned_data.get(name))

    def _before(self, key: str) -> str:
        """What the field showed at first. A number is compared as one is written."""
        initial = self[PREFIX + key].initial
        try:
            return _plain(self.fields[PREFIX + key].clean(initial) if initial not in (None, "") else None)
        except forms.ValidationError:  # it was set when something else could be
            return str(initial)

    def _secrets(self) -> dict[str, str | None]:
        given: dict[str, str | None] = {}
        for setting in self.settings:
            if not setting.secret:
                continue
            if self.cleaned_data.get(REMOVE_PREFIX + setting.key):
                given[setting.key] = None
            if value := str(self.cleaned_data.get(PREFIX + setting.key) or ""):
                given[setting.key] = value
        return given

    def _overrides(self) -> dict[str, Any]:
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in LIMITS}
        values["egress"], values["restart"] = self.cleaned_data["egress"], self.cleaned_data["restart"]
        hosts = [host for host in re.split(r"[\s,;]+", self.cleaned_data["hosts"]) if host]
        values["hosts"] = hosts if values["egress"] == Egress.ALLOWLIST else None
        before = {name: self[name].initial for name in (*LIMITS, "egress", "restart")}
        before["hosts"] = str(self["hosts"].initial).split() or None
        changed = {name: value for name, value in values.items() if value != before[name]}
        # Hosts mean something with their kind of network alone, so the two go together.
        if changed.keys() & {"egress", "hosts"}:
            changed |= {"egress": values["egress"], "hosts": values["hosts"]}
        return changed

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a service found at the fields that it is about."""
        for key, text in fields.items():
            name = next((prefix + key for prefix in (PREFIX, VOLUME_PREFIX) if prefix + key in self.fields), key)
            self.add_error(name if name in self.fields else None, text)

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """All that is wrong: the id of the field (empty where it is about none), its label, and what is wrong with it."""
        return [
            (self[name].id_for_label if name in self.fields else "", str(self[name].label) if name in self.fields else "", str(text))
            for name, texts in self.errors.items()
            for text in texts
        ]


def _plain(value: Any) -> str:
    """A value of a field as it is stored."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None else str(value)
