"""A form made from a tool's JSON Schema.

Texts, numbers, switches, choices and lists of texts become fields of their own; everything deeper is entered as JSON.
"""

from __future__ import annotations

from typing import Any

from django import forms

from agents.schemas import plain_schema

LONG_TEXT = 200


class JSONValue(forms.JSONField):
    """Any JSON value, with an example of its form."""

    default_error_messages = {"invalid": "This is not valid JSON."}


class Lines(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        return [line for line in str(value or "").splitlines() if line.strip()]


class ToolForm(forms.Form):
    """One field per property of the schema, named after it, in its order."""

    prefix = "argument"

    def __init__(self, *args: Any, schema: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schema = schema
        properties = schema.get("properties")
        required = schema.get("required") or []
        for name, given in (properties if isinstance(properties, dict) else {}).items():
            self.fields[name] = _field(name, plain_schema(given, schema), required=name in required)

    def arguments(self) -> dict[str, Any]:
        """What was entered; fields left empty are left out, unless they are required lists."""
        required = self.schema.get("required") or []
        return {
            name: value for name, value in self.cleaned_data.items() if value not in (None, "", []) or (value == [] and name in required)
        }

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a check found at the fields that it is about."""
        for path, text in fields.items():
            name = path.split(".")[0]
            self.add_error(name if name in self.fields else None, text if name in self.fields else f"{path}: {text}")


def _field(name: str, schema: dict[str, Any], *, required: bool) -> forms.Field:
    common: dict[str, Any] = {
        "label": str(schema.get("title") or name),
        "help_text": str(schema.get("description") or ""),
        "required": required,
        "initial": schema.get("default"),
    }
    kind = schema.get("type")
    if isinstance(choices := schema.get("enum"), list) and all(isinstance(choice, (str, int, float)) for choice in choices):
        return _choice(choices, common)
    if kind == "boolean":
        words = [(True, "yes"), (False, "no")]
        coerce = {"True": True, "False": False}.get
        return forms.TypedChoiceField(**common, choices=words if required else [("", "—"), *words], coerce=coerce, empty_value=None)
    if kind == "integer":
        return forms.IntegerField(**common, min_value=_int(schema.get("minimum")), max_value=_int(schema.get("maximum")))
    if kind == "number":
        return forms.FloatField(**common, widget=forms.NumberInput(attrs={"step": "any"}))
    if kind == "string":
        return _text(schema, common)
    if kind == "array" and plain_schema(schema.get("items"), schema).get("type") == "string" and "enum" not in (schema.get("items") or {}):
        initial = "\n".join(map(str, schema.get("default") or []))
        common |= {"initial": initial, "help_text": f"{common['help_text']} One a line.".strip()}
        return Lines(**common, widget=forms.Textarea(attrs={"rows": 3}))
    example = "[…]" if kind == "array" else "{…}"
    common["help_text"] = f"{common['help_text']} As JSON.".strip()
    return JSONValue(**common, widget=forms.Textarea(attrs={"rows": 4, "placeholder": example, "spellcheck": "false", "class": "mono"}))


def _choice(choices: list[Any], common: dict[str, Any]) -> forms.Field:
    by_text = {str(choice): choice for choice in choices}
    offered = [(text, text) for text in by_text]
    if not common["required"]:
        offered.insert(0, ("", "—"))
    return forms.TypedChoiceField(**common, choices=offered, coerce=by_text.get, empty_value=None)


def _text(schema: dict[str, Any], common: dict[str, Any]) -> forms.Field:
    if schema.get("format") == "password" or schema.get("writeOnly") is True:
        return forms.CharField(**common, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}))
    if (_int(schema.get("maxLength")) or 0) > LONG_TEXT or schema.get("contentMediaType"):
        return forms.CharField(**common, strip=False, widget=forms.Textarea(attrs={"rows": 4}))
    return forms.CharField(**common, strip=False, empty_value="")


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None
