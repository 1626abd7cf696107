"""What of a call may be written down: secrets masked, long values cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

MASK = "••••••"
SHORTEST_SECRET = 4  # a shorter value would mask ordinary words
STORED_BYTES = 64 * 1024


def masked(value: Any, schema: dict[str, Any] | None, secrets: Iterable[str]) -> Any:
    """A JSON value as it may be stored.

    Masked are properties that the schema calls passwords or write-only, and wherever they occur, in keys too, the given secrets.
    """
    known = sorted((secret for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
    return _bounded(_masked(value, schema or {}, known))


def _masked(value: Any, schema: dict[str, Any], secrets: list[str]) -> Any:
    if schema.get("format") == "password" or schema.get("writeOnly") is True:
        return MASK
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value.replace("\x00", "\ufffd")  # PostgreSQL's JSON has no NUL
    if isinstance(value, dict):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        return {_masked(key, {}, secrets): _masked(item, _as_schema(properties.get(key)), secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, _as_schema(schema.get("items")), secrets) for item in value]
    return value


def _as_schema(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _bounded(value: Any) -> Any:
    text = json.dumps(value)
    if len(text) <= STORED_BYTES:
        return value
    return {"truncated": True, "bytes": len(text), "beginning": text[:STORED_BYTES]}
