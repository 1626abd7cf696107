"""The form of a question that a server asks (MCP 2025-11-25, "Elicitation"): its schema is one flat object of plain values."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms

from agents.forms import ToolForm
from chat.models import Question

LONGEST = 10_000
MOST_FIELDS = 50
FORMATS = {"email": "email", "uri": "url", "date": "date", "date-time": "text"}
"""The kind of input for a text of a format."""


class QuestionForm(ToolForm):
    """A field for each property. `content` is the answer once it is valid; whether it fits the schema is checked where it is answered."""

    def __init__(self, *args: Any, question: Question, **kwargs: Any) -> None:
        schema = question.schema if isinstance(question.schema, dict) else {}
        super().__init__(*args, schema={**schema, "properties": _some(schema.get("properties"))}, prefix=f"answer-{question.pk}", **kwargs)
        required = schema.get("required")
        for name, given in self.schema["properties"].items():
            if isinstance(given, dict) and (field := _field(name, given, required=isinstance(required, list) and name in required)):
                self.fields[name] = field

    def content(self) -> dict[str, Any]:
        """The answer as MCP has it."""
        return self.arguments()


def _some(properties: Any) -> dict[str, Any]:
    return dict(list(properties.items())[:MOST_FIELDS]) if isinstance(properties, dict) else {}


def _field(name: str, schema: dict[str, Any], *, required: bool) -> forms.Field | None:
    """Of the kinds that forms for tools do not know: choices with titles, several of them, switches and texts of a format."""
    common: dict[str, Any] = {
        "label": str(schema.get("title") or name),
        "help_text": str(schema.get("description") or ""),
        "required": required,
        "initial": schema.get("default"),
    }
    kind = schema.get("type")
    if kind == "array" and (choices := _choices(schema.get("items"))):
        return forms.MultipleChoiceField(**common, choices=choices, widget=forms.CheckboxSelectMultiple)
    if choices := _choices(schema):
        return forms.ChoiceField(**common, choices=choices if required else [("", "—"), *choices])
    if kind == "boolean":
        return forms.BooleanField(**{**common, "required": False})
    if kind == "string" and schema.get("format") in FORMATS:
        return _formatted(schema["format"], common)
    if kind == "string" and _length(schema.get("maxLength")) is not None:
        return forms.CharField(**common, strip=False, max_length=_length(schema["maxLength"]), empty_value="")
    return None


def _formatted(form: str, common: dict[str, Any]) -> forms.Field:
    """Whether a text is what it should be is judged where the question is answered; the browser helps to write it."""
    return forms.CharField(**common, strip=True, empty_value="", widget=forms.TextInput(attrs={"type": FORMATS[form]}))


def _choices(schema: Any) -> list[tuple[str, str]]:
    """Values with their titles, as the specification's forms have them: ``enum`` (with ``enumNames``), ``oneOf`` or ``anyOf``."""
    if not isinstance(schema, dict):
        return []
    titled = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(titled, list):
        return [
            (one["const"], str(one.get("title") or one["const"]))
            for one in titled
            if isinstance(one, dict) and isinstance(one.get("const"), str)
        ]
    values = schema.get("enum")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return []
    names = schema.get("enumNames")
    names = names if isinstance(names, list) and len(names) == len(values) else values
    return [(value, str(name)) for value, name in zip(values, names, strict=True)]


def _length(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value <= 200 else None


def link_of(question: Question) -> str:
    """Where the user is asked to go; empty where that is no address of the web."""
    try:
        parts = urlsplit(question.url)
    except ValueError:
        return ""
    return question.url if parts.scheme in ("http", "https") and parts.netloc else ""
