"""Checking arguments against JSON Schemas: a tool's own, and the rules that an agent's owner set for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing.exceptions import Unresolvable

from agentopia.lib.errors import InvalidInput
from agents.patterns import UnusablePattern, pattern_of
from agents.secret_places import has_secret_places


@dataclass(frozen=True)
class Compiled:
    """A tool's schema, looked at once. ``validator`` is None where the schema is itself broken."""

    validator: Validator | None
    hides: bool
    """Whether it means some of the arguments for secrets."""


@dataclass(frozen=True)
class _Defined:
    """A schema, told from others by the digest of the definition that it is in."""

    digest: str
    schema: dict[str, Any] = field(compare=False)


def compiled(digest: str, schema: dict[str, Any]) -> Compiled:
    """The schema of the definition with this digest."""
    return _compiled(_Defined(digest, schema))


@lru_cache(maxsize=4096)
def _compiled(defined: _Defined) -> Compiled:
    schema, hides = defined.schema, has_secret_places(defined.schema)
    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except (SchemaError, RecursionError):  # broken, or nested too deep to be looked at
        return Compiled(None, hides)
    return Compiled(_of_a_stranger(kind)(schema), hides)  # no registry is given, so a reference to the outside is never fetched


@cache
def _of_a_stranger(kind: type[Validator]) -> type[Validator]:
    """The kind of validator, without patterns: Python's `re` can be kept busy for hours by a bad one. The server checks its own."""
    words = ("pattern", "patternProperties", "unevaluatedProperties")
    further = kind.VALIDATORS["additionalProperties"]

    def additional(validator: Validator, word: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        if "patternProperties" not in schema:
            yield from further(validator, word, instance, schema)

    kind_without: type[Validator] = extend(kind, {**dict.fromkeys(words, _anything), "additionalProperties": additional})  # type: ignore[no-untyped-call]
    return kind_without


def _anything(validator: Validator, word: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    return iter(())


def check_arguments(name: str, digest: str, schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Raise `InvalidInput`, naming each argument that does not fit the schema of the tool ``name``, whose definition has this digest.

    A schema that is itself broken checks nothing: the server is the judge then.
    """
    validator = compiled(digest, schema).validator
    if validator is not None and (fields := _problems(validator, arguments)):
        summary = " ".join(f"{field}: {text}" for field, text in fields.items())
        raise InvalidInput(f"The arguments do not fit the tool “{name}”. {summary}", code="invalid_arguments", fields=fields)


def check_rules(name: str, rules: Any, arguments: dict[str, Any]) -> None:
    """Raise `InvalidInput` where arguments break the rules that the owner set for a tool. Rules that cannot be used allow nothing."""
    try:
        fields = _problems(_rules(json.dumps(rules)), arguments, lenient=False)
    except (SchemaError, Unresolvable, UnusablePattern):
        fields = {"arguments": "The rules cannot be used; their owner has to put them right."}
    if fields:
        summary = " ".join(f"{field}: {text}" for field, text in fields.items())
        raise InvalidInput(
            f"These arguments are not allowed for the tool “{name}” by the rules of its owner. {summary}",
            code="arguments_not_allowed",
            fields=fields,
        )


@lru_cache(maxsize=1024)
def _rules(text: str) -> Validator:
    rules = json.loads(text)
    kind = validator_for(rules, default=Draft202012Validator)
    kind.check_schema(rules)
    return _of_the_owner(kind)(rules)


@cache
def _of_the_owner(kind: type[Validator]) -> type[Validator]:
    """The kind of validator, with patterns that cost time in proportion to the text: a call is checked beside others' calls."""
    further = kind.VALIDATORS["additionalProperties"]

    def pattern(validator: Validator, pattern: str, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not pattern_of(pattern).search(instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")

    def named(validator: Any, patterns: dict[str, Any], instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        for pattern, subschema in patterns.items():
            for name in _matching(instance, [pattern]):
                yield from validator.descend(instance[name], subschema, path=name, schema_path=pattern)

    def additional(validator: Validator, rest: Any, instance: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
        known = _matching(instance, schema.get("patternProperties", ()))
        others = {name: value for name, value in instance.items() if name not in known} if isinstance(instance, dict) else instance
        yield from further(validator, rest, others, {"properties": schema.get("properties", {})})

    words = {"pattern": pattern, "patternProperties": named, "additionalProperties": additional}
    kind_of_owner: type[Validator] = extend(kind, words)  # type: ignore[no-untyped-call]
    return kind_of_owner


def _matching(instance: Any, patterns: Iterable[str]) -> set[str]:
    """The names of an object's properties that one of the patterns is found in."""
    compiled = [pattern_of(pattern) for pattern in patterns]
    return {name for name in instance if any(each.search(name) for each in compiled)} if isinstance(instance, dict) else set()


def _problems(validator: Validator, arguments: dict[str, Any], *, lenient: bool = True) -> dict[str, str]:
    """By an argument, what is wrong with it."""
    try:
        errors = list(validator.iter_errors(arguments))
    except Unresolvable:
        if lenient:
            return {}
        raise
    fields: dict[str, str] = {}
    for error in sorted(errors, key=lambda error: list(map(str, error.path))):
        path = ".".join(map(str, error.path))
        names = _missing(error) if error.validator == "required" else []
        for name in names or [""]:
            fields[".".join(part for part in (path, name) if part) or "arguments"] = "This is required." if names else error.message
    return fields


def _missing(error: ValidationError) -> list[str]:
    wanted, given = error.validator_value, error.instance
    return [name for name in wanted if name not in given] if isinstance(wanted, list) and isinstance(given, dict) else []


def plain_schema(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """A property's schema with one local reference followed and "or null" taken away, for choosing a form field."""
    plain = _as_object(schema)
    reference = plain.pop("$ref", None)
    if isinstance(reference, str) and reference.startswith("#/"):
        plain = _as_object(_target(root, reference)) | plain
    for word in ("anyOf", "oneOf"):
        options = [option for option in plain.get(word) or [] if isinstance(option, dict) and option.get("type") != "null"]
        if len(options) == 1:
            del plain[word]
            plain = plain_schema(options[0], root) | plain
    kinds = plain.get("type")
    if isinstance(kinds, list):
        kinds = [kind for kind in kinds if kind != "null"]
        plain["type"] = kinds[0] if len(kinds) == 1 else None
    return plain


def _as_object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _target(root: dict[str, Any], reference: str) -> Any:
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = target.get(part) if isinstance(target, dict) else None
    return target
