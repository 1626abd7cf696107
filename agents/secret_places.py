"""Where in a value its JSON Schema means a secret to stand: properties of the format "password", and such as can only be written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

type Schema = dict[str, Any]

_ALTERNATIVES = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("if", "then", "else")


def has_secret_places(schema: Schema) -> bool:
    """Whether it may mean any: cheap, and never wrong in saying no."""
    text = json.dumps(schema)
    return '"password"' in text or '"writeOnly"' in text


def covered(value: Any, schema: Schema, mask: str) -> tuple[Any, list[str]]:
    """The value with the mask in these places, and the texts that stood there.

    Every branch of the schema counts, whether the value fits it or not, and references within it are followed.
    """
    found: list[str] = []
    return _covered(value, (schema,), schema, mask, found), found


def _covered(value: Any, schemas: Iterable[Any], root: Schema, mask: str, found: list[str]) -> Any:
    apply = list(_expanded(schemas, root, set()))
    if any(schema.get("format") == "password" or schema.get("writeOnly") is True for schema in apply):
        found.extend(_texts(value))
        return mask
    if isinstance(value, dict):
        return {key: _covered(item, _of_property(apply, key), root, mask, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_covered(item, _of_item(apply, place), root, mask, found) for place, item in enumerate(value)]
    return value


def _expanded(schemas: Iterable[Any], root: Schema, seen: set[int]) -> Iterator[Schema]:
    """The schemas with all that they bring in for the same value."""
    for schema in schemas:
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        further = [option for word in _ALTERNATIVES for option in _items(schema.get(word))]
        further += [schema.get(word) for word in _BRANCHES]
        further += _values(schema.get("dependentSchemas"))
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            further.append(_pointed_at(root, reference))
        yield from _expanded(further, root, seen)


def _of_property(schemas: list[Schema], name: str) -> Iterator[Any]:
    for schema in schemas:
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield properties.get(name)
        yield from _values(schema.get("patternProperties"))  # whether the pattern fits: rather one too many than a pattern of a stranger's
        yield from (schema.get(word) for word in ("additionalProperties", "unevaluatedProperties"))


def _of_item(schemas: list[Schema], place: int) -> Iterator[Any]:
    for schema in schemas:
        for word in ("items", "prefixItems"):
            given = schema.get(word)
            yield (given[place] if place < len(given) else None) if isinstance(given, list) else given
        yield from (schema.get(word) for word in ("additionalItems", "unevaluatedItems", "contains"))


def _pointed_at(root: Schema, reference: str) -> Any:
    target: Any = root
    for part in filter(None, reference[1:].split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = target[int(name)] if name.isdecimal() and int(name) < len(target) else None
        else:
            target = target.get(name) if isinstance(target, dict) else None
    return target


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []
