"""Checking arguments against a tool's JSON Schema."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
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
        missing = error.validator == "required" and isinstance(error.instance, dict)
        names = [name for name in error.validator_value if name not in error.instance] if missing else []
        for name in names or [""]:
            fields[".".join(part for part in (path, name) if part) or "arguments"] = "This is required." if names else error.message
    summary = " ".join(f"{name}: {text}" for name, text in fields.items())
    raise InvalidInput(f"The arguments do not fit the tool “{tool.name}”. {summary}", code="invalid_arguments", fields=fields)


def plain_schema(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """A property's schema with one local reference followed and "or null" taken away, for choosing a form field."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        schema = {**(target if isinstance(target, dict) else {}), **{key: value for key, value in schema.items() if key != "$ref"}}
    for word in ("anyOf", "oneOf"):
        options = [option for option in schema.get(word) or [] if isinstance(option, dict) and option.get("type") != "null"]
        if len(options) == 1:
            schema = {**plain_schema(options[0], root), **{key: value for key, value in schema.items() if key != word}}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = [kind for kind in kinds if kind != "null"]
        schema = {**schema, "type": kinds[0] if len(kinds) == 1 else None}
    return schema
