"""What the fields of agents and grants may hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from agentopia.lib.errors import InvalidInput

LONGEST_IN_AUDIT = 300


def change(row: models.Model, values: Mapping[str, Any], allowed: Collection[str]) -> dict[str, list[Any]]:
    """Set fields of a row that is not saved yet, and check it; returns ``{field: [before, after]}`` of those that changed, for the audit.

    Raises `InvalidInput`, naming each field that cannot be so.
    """
    if unknown := sorted(values.keys() - set(allowed)):
        raise InvalidInput(f"There is no such field: {', '.join(unknown)}.", fields=dict.fromkeys(unknown, "Unknown."))
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value.strip() if name in ("name", "slug", "model") and isinstance(value, str) else value)
    _check(row, values)
    after = {name: getattr(row, name) for name in values}
    return {name: [_told(before[name]), _told(after[name])] for name in values if before[name] != after[name]}


def _check(row: models.Model, values: Mapping[str, Any]) -> None:
    problems: dict[str, str] = {}
    fields = {field.name: field for field in row._meta.fields}  # noqa: SLF001 (Django's public name for it)
    try:
        row.clean_fields(exclude=fields.keys() - values.keys())
    except ValidationError as error:
        problems = {name: " ".join(texts) for name, texts in error.message_dict.items()}
    for name in values:
        value, longest = getattr(row, name), fields[name].max_length
        if isinstance(value, str) and "\x00" in value:
            problems[name] = "It must not contain a NUL character."
        elif isinstance(value, str) and longest is not None and len(value) > longest:
            problems.setdefault(name, f"At most {longest} characters.")
        elif name == "expires_at" and name not in problems and value is not None and value <= timezone.now():
            problems[name] = "This time has passed."
    if problems:
        raise InvalidInput(" ".join(f"{name}: {text}" for name, text in problems.items()), fields=problems)


def _told(value: Any) -> Any:
    """As the audit can hold it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return shown if len(shown) <= LONGEST_IN_AUDIT else f"{shown[:LONGEST_IN_AUDIT]}…"
