"""Rules for arguments: a JSON Schema of an owner's own that a call's arguments must fit beside the tool's.

A rule that does not work as it reads is worse than none. So words that the schema language does not know, and properties that the tool does
not have, are refused rather than ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from agentopia.lib.errors import InvalidInput
from agents.patterns import UnusablePattern, pattern_of

LONGEST = 16_384
DEEPEST = 30
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ONE = (
    "additionalProperties",
    "propertyNames",
    "items",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
PLAIN = (
    *("type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "required", "minProperties", "maxProperties"),
    *("dependentRequired", "$ref", "title", "description", "$comment", "examples", "default", "deprecated"),
)
KNOWN = frozenset((*ONE, *SEVERAL, *NAMED, *PLAIN))


def checked_rules(given: Any, tool_schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The rules as they are kept, None for none. ``tool_schema`` is that of the tool's arguments, where it is known.

    Raises `InvalidInput` with a sentence where they are not a schema of an object that does what it says, or are too big.
    """
    if given is None or given == {}:
        return None
    if not isinstance(given, dict):
        raise _wrong("Rules are a JSON object: a JSON Schema for the arguments.")
    _check_size(given)
    rules: dict[str, Any] = {key: value for key, value in given.items() if key != "$schema" or value != DIALECT}
    if rules.setdefault("type", "object") != "object":
        raise _wrong("Arguments are an object, so the rules have the type “object”, or none.")
    try:
        Draft202012Validator.check_schema(rules)
    except SchemaError as error:
        path = ".".join(map(str, error.path)) or "the schema"
        raise _wrong(f"This is not a valid JSON Schema: {path}: {error.message[:300]}") from None
    for schema in _schemas(rules):
        _check_words(schema)
        _check_patterns(schema)
    if {"patternProperties", "unevaluatedProperties"} <= {word for schema in _schemas(rules) for word in schema}:
        raise _wrong("“unevaluatedProperties” cannot be used beside “patternProperties”: say “additionalProperties”.")
    _check_references(rules)
    _check_properties(rules, tool_schema)
    return rules


def _wrong(problem: str) -> InvalidInput:
    return InvalidInput(problem, code="invalid_rules", fields={"argument_rules": problem})


def _check_size(rules: dict[str, Any]) -> None:
    try:
        text = json.dumps(rules)
    except (TypeError, ValueError, RecursionError):
        raise _wrong("Rules are JSON.") from None
    if len(text) > LONGEST or _depth(rules) > DEEPEST:
        raise _wrong(f"Rules have at most {LONGEST} characters and {DEEPEST} levels.")
    if "\\u0000" in text:
        raise _wrong("Rules must not contain a NUL character.")


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0)


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all that are within it."""
    if not isinstance(schema, dict):
        return  # true or false
    yield schema
    for word in ONE:
        if word in schema:
            yield from _schemas(schema[word])
    for word in SEVERAL:
        for item in schema.get(word, ()):
            yield from _schemas(item)
    for word in NAMED:
        for item in schema.get(word, {}).values():
            yield from _schemas(item)


def _check_words(schema: dict[str, Any]) -> None:
    if unknown := sorted(schema.keys() - KNOWN):
        hint = " Formats are not checked: use a pattern." if "format" in unknown else ""
        raise _wrong(f"“{unknown[0][:60]}” would check nothing here.{hint}")


def _check_patterns(schema: dict[str, Any]) -> None:
    for pattern in (*schema.get("patternProperties", ()), *([schema["pattern"]] if "pattern" in schema else ())):
        try:
            pattern_of(pattern)
        except UnusablePattern:
            raise _wrong(f"The pattern “{pattern[:100]}” cannot be used: nothing that looks around (?=…) or back \\1.") from None


def _check_references(rules: dict[str, Any]) -> None:
    """References lead to the rules' own ``$defs``, and never in a circle, which no check would come out of."""
    definitions = rules.get("$defs", {})
    leads_to = {name: set(_references(schema, definitions)) for name, schema in definitions.items()}
    ahead = set(_references({key: value for key, value in rules.items() if key != "$defs"}, definitions))
    for name in sorted(ahead | leads_to.keys()):
        seen: set[str] = set()
        todo = set(leads_to[name])
        while todo:
            step = todo.pop()
            if step == name:
                raise _wrong(f"The reference “#/$defs/{name}” leads back to itself.")
            seen.add(step)
            todo |= leads_to[step] - seen


def _references(schema: Any, definitions: Mapping[str, Any]) -> Iterator[str]:
    for part in _schemas(schema):
        reference = part.get("$ref")
        if reference is None:
            continue
        name = reference.removeprefix("#/$defs/")
        if name == reference or name not in definitions:
            raise _wrong(f"The reference “{reference[:100]}” must lead to a schema in the rules' own $defs, as “#/$defs/name”.")
        yield name


def _check_properties(rules: dict[str, Any], tool_schema: Mapping[str, Any] | None) -> None:
    known = (tool_schema or {}).get("properties")
    if not isinstance(known, dict) or not known or (tool_schema or {}).get("additionalProperties"):
        return
    if unknown := sorted({*rules.get("properties", {}), *rules.get("required", ())} - known.keys()):
        raise _wrong(f"The tool takes no argument “{unknown[0][:60]}”. It takes: {', '.join(sorted(known))[:300]}.")
