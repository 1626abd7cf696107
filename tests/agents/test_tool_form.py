"""The form made from a tool's JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms

from agents.forms import JSONValue, Lines, ToolForm


def form_of(properties: dict[str, Any], required: list[str] | None = None, entered: dict[str, str] | None = None, **root: Any) -> ToolForm:
    schema = {"type": "object", "properties": properties, "required": required or [], **root}
    data = None if entered is None else {f"argument-{name}": value for name, value in entered.items()}
    return ToolForm(data, schema=schema)


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "string"}, forms.CharField),
        ({"type": ["string", "null"]}, forms.CharField),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, forms.CharField),
        ({"type": "integer", "minimum": 1}, forms.IntegerField),
        ({"type": "number"}, forms.FloatField),
        ({"type": "boolean"}, forms.TypedChoiceField),
        ({"enum": ["a", "b"]}, forms.TypedChoiceField),
        ({"$ref": "#/$defs/Unit"}, forms.TypedChoiceField),
        ({"type": "array", "items": {"type": "string"}}, Lines),
        ({"type": "array", "items": {"type": "object"}}, JSONValue),
        ({"type": "object"}, JSONValue),
        ({}, JSONValue),
        (True, JSONValue),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, JSONValue),
    ],
)
def test_each_kind_of_property_has_its_field(schema: Any, field: type[forms.Field]) -> None:
    form = form_of({"x": schema}, **{"$defs": {"Unit": {"enum": ["c", "f"]}}})
    assert type(form.fields["x"]) is field


def test_what_was_entered_becomes_arguments_of_the_right_types() -> None:
    form = form_of(
        {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "share": {"type": "number"},
            "loud": {"type": "boolean"},
            "unit": {"enum": [1, 2]},
            "paths": {"type": "array", "items": {"type": "string"}},
            "filter": {"type": "object"},
            "left": {"type": "string"},
        },
        entered={
            "text": " a ",
            "count": "3",
            "share": "0.5",
            "loud": "False",
            "unit": "2",
            "paths": "a\n\nb",
            "filter": '{"k": [1]}',
            "left": "",
        },
    )
    assert form.is_valid(), form.errors
    assert form.arguments() == {
        "text": " a ", "count": 3, "share": 0.5, "loud": False, "unit": 2, "paths": ["a", "b"], "filter": {"k": [1]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "entered"),
    [({"type": "integer"}, "three"), ({"type": "object"}, "{"), ({"enum": ["a"]}, "b"), ({"type": "integer", "minimum": 5}, "4")],
)
def test_what_does_not_fit_is_said_at_its_field(schema: Any, entered: str) -> None:
    form = form_of({"x": schema}, entered={"x": entered})
    assert not form.is_valid()
    assert list(form.errors) == ["x"]


def test_required_properties_are_required() -> None:
    form = form_of({"a": {"type": "string"}, "b": {"type": "string"}}, required=["a"], entered={})
    assert not form.is_valid()
    assert list(form.errors) == ["a"]


def test_defaults_are_filled_in() -> None:
    assert form_of({"zone": {"type": "string", "default": "UTC"}})["zone"].initial == "UTC"


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"properties": []}, {"properties": {"x": {"$ref": "#/nowhere"}}}])
def test_odd_schemas_still_make_a_form(schema: dict[str, Any]) -> None:
    assert ToolForm({}, schema=schema).is_valid()
