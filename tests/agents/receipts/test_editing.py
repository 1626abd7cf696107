"""The arguments of a call as a form: what is not touched stays as it was, to the last letter."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms

from agents.receipts_pages.editing import ArgumentsForm, WrittenJSON
from tests.agents.receipts.conftest import as_sent

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer", "maximum": 9},
        "share": {"type": "number"},
        "loud": {"type": "boolean"},
        "unit": {"enum": [1, 2]},
        "paths": {"type": "array", "items": {"type": "string"}},
        "filter": {"type": "object"},
        "key": {"type": "string", "writeOnly": True},
    },
    "required": ["text", "paths"],
}
ARGUMENTS: dict[str, Any] = {
    "text": " a ", "count": 3, "share": 0.1, "loud": False, "unit": 2, "paths": ["x", "y"], "filter": {"b": [None, "ä"], "a": 1},
    "key": "s3cret",
}  # fmt: skip


def form_of(arguments: dict[str, Any], sent: dict[str, str] | None = None, secrets: tuple[str, ...] = ()) -> ArgumentsForm:
    data = None if sent is None else {f"argument-{name}": value for name, value in sent.items()}
    return ArgumentsForm(data, schema=SCHEMA, arguments=arguments, secrets=secrets)


@pytest.mark.parametrize(
    "arguments",
    [ARGUMENTS, {}, {"text": "", "paths": []}, {"text": None, "filter": None}, {"text": "a\nb\r\nc\rd"}, {"paths": ["two\nlines"]},
     {"count": 11, "unit": 7, "loud": "maybe", "share": "x"}, {"unknown": {"deep": 1}, "further": 2}, {"filter": "text", "paths": "text"}],
)  # fmt: skip
def test_untouched(arguments: dict[str, Any]) -> None:
    form = form_of(arguments, as_sent(form_of(arguments)))
    assert form.is_valid(), form.errors
    assert (form.was_touched, form.edited()) == (False, arguments)


@pytest.mark.parametrize(
    ("name", "typed", "becomes"),
    [("text", "b", "b"), ("count", "4", 4), ("share", "2", 2.0), ("loud", "True", True), ("unit", "1", 1), ("filter", "[]", []),
     ("filter", '{"a": 2}', {"a": 2}), ("key", "other", "other"), ("paths", "x\r\nz\r\n", ["x", "z"]), ("paths", "", [])],
)  # fmt: skip
def test_one_is_changed(name: str, typed: str, becomes: Any) -> None:
    form = form_of(ARGUMENTS, {**as_sent(form_of(ARGUMENTS)), name: typed})
    assert form.is_valid(), form.errors
    assert (form.was_touched, form.edited()) == (True, {**ARGUMENTS, name: becomes})


@pytest.mark.parametrize("name", ["text", "count", "loud", "unit", "filter"])
def test_one_is_emptied(name: str) -> None:
    form = form_of(ARGUMENTS, {**as_sent(form_of(ARGUMENTS)), name: ""})
    assert form.is_valid(), form.errors
    assert form.edited() == {key: value for key, value in ARGUMENTS.items() if key != name}


def test_what_is_not_sent_is_not_touched() -> None:
    form = form_of(ARGUMENTS, {"count": "4"})
    assert form.is_valid()
    assert form.edited() == {**ARGUMENTS, "count": 4}


def test_secrets() -> None:
    arguments = {**ARGUMENTS, "text": "with abcd1234 in it", "filter": {"k": "abcd1234"}}
    form = form_of(arguments, secrets=("abcd1234",))
    shown = form.as_p()
    assert ("abcd1234" in shown, "s3cret" in shown, "with •••••• in it" in shown) == (False, False, True)
    sent = as_sent(form)
    assert form_of(arguments, sent, ("abcd1234",)).is_valid()
    for name, typed in (("text", "only •••••• in it"), ("filter", '{"k": "••••••", "l": 1}')):
        form = form_of(arguments, {**sent, name: typed}, ("abcd1234",))
        assert (form.is_valid(), list(form.errors)) == (False, [name])
    assert form_of(arguments, {**sent, "text": "without"}, ("abcd1234",)).is_valid()


def test_a_field_that_would_lose_something_is_json() -> None:
    form = form_of({"unit": 7, "paths": ["two\nlines"], "text": "two\nlines"})
    kinds = {name: type(field) for name, field in form.fields.items()}
    assert (kinds["unit"], kinds["paths"]) == (WrittenJSON, WrittenJSON)
    assert isinstance(form.fields["text"].widget, forms.Textarea)
