"""Checking arguments against a tool's JSON Schema."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

from agentopia.lib.errors import InvalidInput
from mcp_registry.models import Tool


@lru_cache(maxsize=512)
def _validator(digest: str, schema: str) -> Validator:
    document = json.loads(schema)
    kind = validator_for(document, default=Draft202012Validator)
    kind.check_schema(document)
    return kind(document)  # no registry is given, so a reference to the outside is never fetched


def check_arguments(tool: Tool, arguments: dict[str, Any]) -> None:
    """Raise `InvalidInput`, naming each argument that does not fit the tool's schema.

    A schema that is itself broken checks nothing: the server is the judge then.
    """
    try:
        errors = list(_validator(tool.digest, json.dumps(tool.input_schema)).iter_errors(arguments))
    except (SchemaError, Unresolvable):
        return
    if not errors:
        return
    fields: dict[str, str] = {}
    for error in sorted(errors, key=lambda error: list(map(str, error.path))):
        path = ".".join(map(str, error.path))
        names = _missing(error) if error.validator == "required" else []
        for name in names or [""]:
            fields[".".join(part for part in (path, name) if part) or "arguments"] = "This is required." if names else error.message
    summary = " ".join(f"{name}: {text}" for name, text in fields.items())
    raise InvalidInput(f"The arguments do not fit the tool “{tool.name}”. {summary}", code="invalid_arguments", fields=fields)


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
