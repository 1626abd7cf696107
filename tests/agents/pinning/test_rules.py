"""Rules for arguments: what is kept is a schema that checks what it says."""

from __future__ import annotations

from typing import Any

import pytest

from agentopia.lib.errors import InvalidInput
from agents.pinning.rules import checked_rules
from agents.schemas import check_rules

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "host": {"type": "string"}}}


@pytest.mark.parametrize(
    "rules",
    [
        {"properties": {"path": {"pattern": "^/data/"}}, "required": ["path"]},
        {"properties": {"host": {"enum": ["a.example", "b.example"]}}},
        {"$defs": {"short": {"maxLength": 5}}, "properties": {"path": {"$ref": "#/$defs/short"}}},
        {"not": {"required": ["host"]}},
        {"if": {"required": ["path"]}, "then": {"properties": {"path": {"minLength": 1}}}, "maxProperties": 2},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "additionalProperties": False, "properties": {"path": True}},
    ],
)
def test_what_is_kept(rules: dict[str, Any]) -> None:
    kept = checked_rules(rules, SCHEMA)
    assert kept == {**{key: value for key, value in rules.items() if key != "$schema"}, "type": "object"}


@pytest.mark.parametrize("rules", [None, {}])
def test_none(rules: Any) -> None:
    assert checked_rules(rules, SCHEMA) is None


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("x", "JSON object"),
        ([{}], "JSON object"),
        ({"type": "string"}, "“object”"),
        ({"type": ["object", "null"]}, "“object”"),
        ({"properties": {"path": {"type": "text"}}}, "not a valid JSON Schema"),
        ({"properties": {"path": {"patern": "^/"}}}, "“patern” would check nothing"),
        ({"properties": {"path": {"format": "uri"}}}, "use a pattern"),
        ({"properties": {"path": {"pattern": "("}}}, "is not a 'regex'"),
        ({"patternProperties": {"[": {}}}, "is not a 'regex'"),
        ({"properties": {"path": {"pattern": "(?=/data/)"}}}, "looks around"),
        ({"patternProperties": {r"^(a)\1$": {}}}, "looks around"),
        ({"patternProperties": {"^x-": True}, "unevaluatedProperties": False}, "additionalProperties"),
        ({"properties": {"path": {"$ref": "https://evil.example/schema"}}}, "own $defs"),
        ({"properties": {"path": {"$ref": "#"}}}, "own $defs"),
        ({"properties": {"path": {"$ref": "#/$defs/none"}}}, "own $defs"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "leads back to itself"),
        ({"$id": "https://evil.example/"}, "“$id”"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "“$schema”"),
        ({"properties": {"file": {"type": "string"}}}, "takes no argument “file”"),
        ({"required": ["file"]}, "takes no argument “file”"),
        ({"description": "x" * 20_000}, "characters"),
        (deep(40), "levels"),
        ({"const": {"path": "\x00"}}, "NUL"),
        ({"properties": {"path": {"const": object()}}}, "JSON"),
    ],
)
def test_what_is_refused(rules: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_rules(rules, SCHEMA)
    assert told in refused.value.message
    assert list(refused.value.fields) == ["argument_rules"]


def test_of_a_tool_that_takes_anything() -> None:
    rules = {"properties": {"file": {"type": "string"}}}
    for schema in (None, {"type": "object"}, {**SCHEMA, "additionalProperties": True}):
        assert checked_rules(rules, schema) is not None


@pytest.mark.parametrize(
    ("rules", "fits", "breaks"),
    [
        ({"properties": {"path": {"pattern": "^/data/"}}}, {"path": "/data/x"}, {"path": "/etc/data/"}),
        ({"properties": {"path": {"pattern": "^[a-z]+$"}}}, {"path": "abc"}, {"path": "abc\n"}),
        ({"patternProperties": {"^p": {"maxLength": 2}}}, {"path": "ab", "host": "abc"}, {"path": "abc"}),
        ({"patternProperties": {"^p": True}, "additionalProperties": False}, {"path": "x"}, {"host": "x"}),
        ({"properties": {"host": True}, "additionalProperties": {"type": "integer"}}, {"host": "x", "path": 1}, {"path": "x"}),
        ({"properties": {"path": {"pattern": "^(a+)+$"}}}, {"path": "a" * 5000}, {"path": "a" * 5000 + "b"}),
    ],
)
def test_what_they_do(rules: dict[str, Any], fits: dict[str, Any], breaks: dict[str, Any]) -> None:
    """The last one keeps Python's own expressions busy for longer than the universe is old."""
    check_rules("read", checked_rules(rules, None), fits)
    with pytest.raises(InvalidInput) as refused:
        check_rules("read", checked_rules(rules, None), breaks)
    assert refused.value.code == "arguments_not_allowed"


def test_rules_that_cannot_be_used_any_more_allow_nothing() -> None:
    with pytest.raises(InvalidInput, match="cannot be used"):
        check_rules("read", {"properties": {"path": {"pattern": "(?=/data/)"}}}, {"path": "/data/"})
