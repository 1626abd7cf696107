"""The forms beside a server's settings: to clone it, and to destroy data."""

from __future__ import annotations

from typing import Any

from django import forms

from mcp_registry.forms import ToolboxSelect, room_words
from mcp_registry.models import McpServer
from mcp_registry.placement import Need, fits, rooms


class CloneForm(forms.Form):
    """Where another of it goes, and what it is called."""

    name = forms.CharField(required=False, max_length=63, help_text="Small letters, digits and hyphens. Left empty, it is numbered.")
    toolbox = forms.ChoiceField(required=False, widget=ToolboxSelect)
    force = forms.BooleanField(required=False, label="Put it there though there is no room for it")

    def __init__(self, *args: Any, server: McpServer, need: Need, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rooms = [(room, fits(need, room)) for room in rooms(server.owner)]
        field = forms.ChoiceField(
            choices=[("", "Where it fits best"), *((str(room.toolbox.pk), room_words(room, obstacle)) for room, obstacle in self.rooms)],
            required=False,
            widget=ToolboxSelect,
            initial=str(server.toolbox_id),
        )
        assert isinstance(field.widget, ToolboxSelect)
        field.widget.refused = frozenset(str(room.toolbox.pk) for room, obstacle in self.rooms if obstacle is not None and obstacle.final)
        self.fields["toolbox"] = field

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a service found at the fields that it is about."""
        for key, text in fields.items():
            self.add_error(key if key in self.fields else None, text)


class TypedNameForm(forms.Form):
    """The name of what is to be destroyed, typed again."""

    confirmation = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}))

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirmation"].label = f"Type “{name}” to confirm"

    def clean_confirmation(self) -> str:
        typed = str(self.cleaned_data["confirmation"]).strip()
        if typed != self.name:
            raise forms.ValidationError(f"This is not its name. Type “{self.name}” as it stands there.")
        return typed
