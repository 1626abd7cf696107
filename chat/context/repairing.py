"""Arguments that do not fit their tool's schema, made to fit where it is plain what was meant.

Arguments that fit are never changed, and what is changed fits in the end, or nothing is. No value is made up: what is filled in is in the
schema (a default, the only value there is) or in the last call of this tool, by this agent, that succeeded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import ValidationError
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from agents.schemas import compiled
from chat.context import lenient
from chat.context.fixes import OMITTED, Fix, Path, fixes

ROUNDS = 24
FORM = 10
TRIED = 200
"""The most that is tried in all: each is a check of the whole."""

type Json = Any


@dataclass(frozen=True, slots=True)
class Repaired:
    """``notes`` say in words what was changed; none where nothing was, because it fits or cannot be put right."""

    arguments: Json
    notes: list[str] = field(default_factory=list)


def repaired(arguments: Json, schema: dict[str, Any], last_good: Mapping[str, Json] | None = None) -> Repaired:
    """The arguments for a tool with this schema; ``last_good`` are those of its last call that succeeded."""
    validator = _validator(schema)
    if validator is None:
        return Repaired(arguments)
    try:
        return _repaired(arguments, schema, validator, last_good)
    except (Unresolvable, RecursionError):
        return Repaired(arguments)


def _repaired(arguments: Json, schema: dict[str, Any], validator: Validator, last_good: Mapping[str, Json] | None) -> Repaired:
    if isinstance(arguments, dict) and validator.is_valid(arguments):
        return Repaired(arguments)
    notes: list[str] = []
    value = _as_object(arguments, schema, notes)
    if value is None:
        return Repaired(arguments)
    tried = 0
    for _ in range(ROUNDS):
        errors = list(validator.iter_errors(value))
        if not errors:
            return Repaired(value, notes)
        accepted: Fix | None = None
        for fix in (fix for error in errors for fix in fixes(error, last_good)):
            tried += 1
            if tried > TRIED:
                return Repaired(arguments)
            if _is_better(validator, put(value, fix.path, fix.value), _badness(errors)):
                accepted = fix
                break
        if accepted is None:
            return Repaired(arguments)
        value = put(value, accepted.path, accepted.value)
        notes.append(accepted.note)
    return Repaired(arguments)


def _is_better(validator: Validator, value: Json, before: int) -> bool:
    return isinstance(value, dict) and _badness(validator.iter_errors(value)) < before


def _badness(errors: Iterable[ValidationError]) -> int:
    """What is wrong with the form weighs more than a wrong value: an argument under its right name may still need another type."""
    return sum(FORM if _is_of_form(error) else 1 for error in errors)


def _is_of_form(error: ValidationError) -> bool:
    if error.validator == "type":
        return error.validator_value in ("object", "array")
    return error.validator in ("required", "additionalProperties", "unevaluatedProperties")


def put(value: Json, path: Path, item: Json) -> Json:
    """A copy of the value with this at the place; without it for `OMITTED`."""
    if not path:
        return item
    first, rest = path[0], path[1:]
    if item is OMITTED and not rest and isinstance(value, dict):
        return {name: old for name, old in value.items() if name != first}
    if isinstance(value, dict):
        return {**value, first: put(value[first], rest, item)}
    return [put(old, rest, item) if place == first else old for place, old in enumerate(value)]


def _as_object(arguments: Json, schema: dict[str, Any], notes: list[str]) -> dict[str, Json] | None:
    """Arguments are an object, whatever was sent."""
    if isinstance(arguments, dict):
        return arguments
    value = arguments
    if isinstance(arguments, str):
        try:
            value = lenient.read(arguments) if arguments.strip() else {}
            notes.append("The arguments were not quite JSON, and were read as what is plainly meant.")
        except ValueError:
            value = _without_its_end(arguments, schema, notes)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        notes.append("The arguments were in a list: what is in it was taken.")
        value = value[0]
    if isinstance(value, dict):
        return value
    return _alone(value, schema, notes)


def _without_its_end(text: str, schema: dict[str, Any], notes: list[str]) -> Json:
    """The object, if all is there that can be: a deletion that lost its condition would delete all. Else the text."""
    properties = schema.get("properties")
    try:
        value = lenient.without_its_end(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(properties, dict) or not properties.keys() <= value.keys():
        return text
    notes.append("The arguments lacked their last bracket.")
    return value


def _alone(value: Json, schema: dict[str, Any], notes: list[str]) -> dict[str, Json] | None:
    """A bare value, for a tool that wants but one."""
    required = schema.get("required")
    if value is None or not isinstance(required, list) or len(required) != 1:
        return None
    if isinstance(value, str) and (not value.strip() or value.lstrip()[0] in "{[`\"'"):
        return None  # meant as JSON, and lost a part
    notes.append(f"The value was taken for “{required[0]}”, the only one that is required.")
    return {str(required[0]): value}


def _validator(schema: dict[str, Any]) -> Validator | None:
    try:
        text = json.dumps(schema, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None
    return compiled(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), schema).validator
