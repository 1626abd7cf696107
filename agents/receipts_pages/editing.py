"""The arguments of a call that waits, as a form. What is not touched stays exactly as it was asked for, whatever a field makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from agents.forms import LONG_TEXT, JSONValue, ToolForm
from agents.receipts import MASK, Masker


class WrittenJSON(JSONValue):
    """JSON over several lines; nothing where there is no value, and as it was typed once something was."""

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, InvalidJSONInput):
            return value or ""
        return json.dumps(value, indent=2, ensure_ascii=False)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return InvalidJSONInput(data or "")


class ArgumentsForm(ToolForm):
    """Shows ``arguments`` with ``secrets`` masked. Once it is valid, `edited` has them with what was changed."""

    def __init__(self, *args: Any, schema: dict[str, Any], arguments: Mapping[str, Any], secrets: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, schema=schema, **kwargs)
        self.given = dict(arguments)
        required = schema.get("required")
        wanted = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        self.order_fields([*wanted, *(name for name in self.given if name not in wanted)])  # what matters is read first
        shown = json.loads(Masker(tuple(secrets)).arguments(self.given, schema, whole=True))
        for name, field in list(self.fields.items()):
            self.fields[name] = _editable(field, shown.get(name))
            setattr(self.fields[name], "is_wanted", name in wanted)  # noqa: B010 (its label does not call it optional)
        self.rest = ""
        """The name of the field of all arguments that the schema has no property for; empty where there are none."""
        further = {name: value for name, value in shown.items() if name not in self.fields}
        if further or not self.fields:
            self.rest = _free_name(self.fields)
            label = "Further arguments" if self.fields else "Arguments"
            self.fields[self.rest] = WrittenJSON(
                label=label, help_text="As JSON: an object.", required=False, initial=further, widget=_area()
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in self._touched():
            if name in cleaned and MASK in json.dumps(cleaned[name], ensure_ascii=False):
                self.add_error(name, f"Where {MASK} stands is a secret, which is not shown. Write it out, or leave this as it was.")
        if not isinstance(cleaned.get(self.rest) or {}, dict):
            self.add_error(self.rest, "This must be an object: {…}.")
        return cleaned

    def edited(self) -> dict[str, Any]:
        """The arguments, with the fields that were changed. One that was emptied is left out; of a list stays an empty one."""
        found = dict(self.given)
        for name in self._touched():
            value = self.cleaned_data.get(name)
            if name == self.rest:
                found = {key: old for key, old in found.items() if key in self.fields} | (value or {})
            elif value in (None, ""):
                found.pop(name, None)
            else:
                found[name] = value
        return found

    @property
    def was_touched(self) -> bool:
        """Whether anything was changed."""
        return bool(self._touched())

    def _touched(self) -> list[str]:
        return [name for name in self.fields if self[name].data is not None and _text(self[name].data) != self._shown(name)]

    def _shown(self, name: str) -> str:
        field = self.fields[name]
        if isinstance(field.widget, forms.PasswordInput):
            return ""
        return _text(field.widget.format_value(field.prepare_value(self[name].initial)))


def _editable(field: forms.Field, value: Any) -> forms.Field:
    """The field with its value, or one of JSON where it could not give that back unchanged. None is required: what is missing is told by
    the check of all arguments, and empty may be meant.
    """
    field.required = False
    text = "\n".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(field, JSONValue) or not _gives_back(field, text, value):
        return WrittenJSON(label=field.label, help_text=field.help_text, required=False, initial=value, widget=_area())
    if isinstance(text, str) and type(field.widget) is forms.TextInput and (len(text) > LONG_TEXT or len(text.splitlines()) > 1):
        field.widget = forms.Textarea(attrs={"rows": 4})  # a line of input would lose the ends of lines
    if isinstance(field.widget, forms.PasswordInput) and value is not None:
        field.help_text = f"{field.help_text} It is given, and not shown; type to replace it.".strip()
    field.initial = text
    return field


def _gives_back(field: forms.Field, text: Any, value: Any) -> bool:
    if value is None or isinstance(field.widget, forms.PasswordInput):
        return True
    try:
        return bool(field.clean(str(text)) == value)
    except ValidationError:
        return False


def _area() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"})


def _free_name(taken: Mapping[str, Any]) -> str:
    name = "further"
    while name in taken:
        name += "-"
    return name


def _text(value: Any) -> str:
    """What a browser sends for it, which ends lines in a way of its own."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    return "" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n")
