"""Text as PostgreSQL takes it: no NUL characters, and no half surrogate pairs."""

from __future__ import annotations

from typing import Any


def storable(value: Any) -> Any:
    """A JSON value with what cannot be stored replaced."""
    if isinstance(value, str):
        text = value.replace("\x00", "\ufffd")
        return text if text.isascii() else text.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value
