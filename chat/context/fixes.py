"""What could be meant where a value does not fit its schema: for each kind of error the values to try, the likeliest first."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import ValidationError

from chat.context import lenient

NEAR = 0.8
WRAPPERS = ("arguments", "args", "params", "parameters", "input", "kwargs")
SAID_ASIDE = ("thought", "thoughts", "reason", "reasoning", "explanation", "rationale", "comment")
PLACES = frozenset(
    (
        "account", "calendar", "cluster", "connection", "cwd", "database", "db", "namespace", "org", "organisation", "organization",
        "owner", "project", "repo", "repository", "root", "schema", "session", "tenant", "workspace",
    )
)  # fmt: skip
"""Words in the names of arguments that say where something is done, which stays the same from call to call. What is done, and to what, is
never taken from another call: a file would be overwritten with what was meant for the next one.
"""
LONGEST_REMEMBERED = 200
OMITTED = object()
"""In a `Fix`: there is no value at that place."""
_INTEGER = re.compile(r"[+-]?\d{1,18}(?:\.0+)?")
_NUMBER = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{1,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,2})?")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "an object",
}

type Json = Any
type Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """A value for the place at ``path``, and what was done, in words."""

    path: Path
    value: Json
    note: str


def fixes(error: ValidationError, last_good: Mapping[str, Json] | None) -> Iterator[Fix]:
    """What may put this error right."""
    path: Path = tuple(error.absolute_path)
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            yield from _of_type(path, error.instance, wanted)
        case "enum":
            yield from _of_enum(path, error.instance, wanted)
        case "const":
            yield from _of_enum(path, error.instance, [wanted])
        case "required":
            yield from _of_required(path, error, last_good if not path else None)
        case "additionalProperties" | "unevaluatedProperties":
            yield from _of_unknown(path, error)
        case "anyOf" | "oneOf" | "allOf" | "$ref":
            for inner in error.context or ():
                yield from fixes(inner, last_good)


def folded(name: object) -> str:
    """A name without case, spaces and marks."""
    return re.sub(r"[\s_\-.]+", "", str(name)).casefold()


def _of_type(path: Path, value: Json, wanted: Any) -> Iterator[Fix]:
    where = named(path)
    if isinstance(value, list) and len(value) == 1:
        yield Fix(path, value[0], f"{where} was a list of one value: that value was taken.")
    if value is None and path:
        yield Fix(path, OMITTED, f"{where} was null, and was left out.")
    for kind in wanted if isinstance(wanted, list) else [wanted]:
        for better in _converted(value, kind):
            yield Fix(path, better, f"{where} was not {_KINDS.get(kind, kind)}, and was made into one.")


def _converted(value: Json, kind: str) -> Iterator[Json]:
    if isinstance(value, str):
        yield from _from_text(value, kind)
    elif kind == "string" and isinstance(value, bool | int | float | dict):
        yield json.dumps(value, ensure_ascii=False)
    elif kind == "boolean" and value in (0, 1) and isinstance(value, int):
        yield bool(value)
    elif kind == "integer" and isinstance(value, float) and value.is_integer():
        yield int(value)
    if kind == "array" and value is not None and not isinstance(value, list):
        yield [value]


def _from_text(text: str, kind: str) -> Iterator[Json]:
    plain = text.strip()
    if kind == "integer" and _INTEGER.fullmatch(plain):
        yield int(plain.partition(".")[0])
    elif kind == "number" and _NUMBER.fullmatch(plain):
        yield int(plain) if re.fullmatch(r"[+-]?\d+", plain) else float(plain)
    elif kind == "boolean" and plain.lower() in _TRUTHS:
        yield _TRUTHS[plain.lower()]
    elif kind == "null" and plain.lower() in ("", "null", "none"):
        yield None
    elif kind in ("array", "object"):
        try:
            value = lenient.read(plain)
        except ValueError:
            return
        if isinstance(value, list if kind == "array" else dict):
            yield value


def _of_enum(path: Path, value: Json, options: Sequence[Json]) -> Iterator[Fix]:
    if isinstance(value, dict | list) or value is None:
        return
    alike = [option for option in options if folded(option) == folded(value)]
    if len(alike) == 1:
        yield Fix(path, alike[0], f"{named(path)} was written as the schema has it.")


def _of_required(path: Path, error: ValidationError, last_good: Mapping[str, Json] | None) -> Iterator[Fix]:
    given: dict[str, Json] = cast(Any, error.instance)
    properties = _properties(error)
    missing = [name for name in cast(Any, error.validator_value) if name not in given]
    unknown = [name for name in given if name not in properties]
    for name in missing:
        yield from _renamed(path, given, unknown, [name])
        schema = properties.get(name)
        for value, whence in _told(schema if isinstance(schema, dict) else {}):
            yield Fix(path, {**given, name: value}, f"{named((*path, name))} was missing: {whence}.")
    for wrapper in WRAPPERS:
        inner = given.get(wrapper)
        if len(given) == 1 and wrapper not in properties and isinstance(inner, dict | str):
            yield from _unwrapped(path, wrapper, inner)
    for name in missing:
        if given and last_good and PLACES & _words(name) and _is_brief(last_good.get(name)):
            yield Fix(
                path, {**given, name: last_good[name]}, f"{named((name,))} was missing: it was taken from the last call that succeeded."
            )


def _unwrapped(path: Path, wrapper: str, inner: Json) -> Iterator[Fix]:
    try:
        value = lenient.read(inner) if isinstance(inner, str) else inner
    except ValueError:
        return
    if isinstance(value, dict):
        yield Fix(path, value, f"The arguments were taken out of “{wrapper}”.")


def _told(schema: Mapping[str, Json]) -> Iterator[tuple[Json, str]]:
    """What the schema itself says that a value is, where nobody gave one."""
    if "default" in schema:
        yield schema["default"], "it was given its default"
    if "const" in schema:
        yield schema["const"], "it can be but one value"
    options = schema.get("enum")
    if isinstance(options, list) and len(options) == 1:
        yield options[0], "it can be but one value"


def _of_unknown(path: Path, error: ValidationError) -> Iterator[Fix]:
    given: dict[str, Json] = cast(Any, error.instance)
    properties = _properties(error)
    unknown = [name for name in given if name not in properties]
    yield from _renamed(path, given, unknown, [name for name in properties if name not in given])
    for name in unknown:
        if given[name] in (None, "", [], {}) or (folded(name) in SAID_ASIDE):
            rest = {key: value for key, value in given.items() if key != name}
            yield Fix(path, rest, f"{named((*path, name))} was left out: there is no such argument.")


def _renamed(path: Path, given: Mapping[str, Json], unknown: Sequence[str], wanted: Sequence[str]) -> Iterator[Fix]:
    """An argument of nearly this name: alike but for case and marks, else where there is but one that is near."""
    for name in wanted:
        alike = [other for other in unknown if folded(other) == folded(name)]
        near = alike or [other for other in unknown if _is_near(other, name)]
        if len(near) == 1:
            value = {name if key == near[0] else key: item for key, item in given.items()}
            yield Fix(path, value, f"“{near[0]}” was taken for {named((*path, name))}.")


def _is_near(one: str, other: str) -> bool:
    if difflib.SequenceMatcher(None, folded(one), folded(other)).ratio() >= NEAR:
        return True
    words, others = _words(one), _words(other)
    return bool(words & others) and (words <= others or others <= words)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))


def _properties(error: ValidationError) -> dict[str, Json]:
    schema: Any = error.schema
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _is_brief(value: Json) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and 0 < len(value) <= LONGEST_REMEMBERED)


def named(path: Path) -> str:
    """A place in the arguments, for a reader."""
    return f"“{'.'.join(map(str, path))}”" if path else "What was given"
