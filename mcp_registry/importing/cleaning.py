"""A document from outside as it can be stored and shown: bounded, in the present schema's words, without what no column can hold.

Nothing of it is ever rendered unescaped; what is removed here are characters that show as nothing or turn the line around.
"""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

from agentopia.lib.errors import InvalidInput

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_TITLE, MAX_DESCRIPTION, MAX_HINT = 100, 300, 1000
_OLD_NAMES = {
    "registry_type": "registryType",
    "registry_name": "registryType",
    "registry_base_url": "registryBaseUrl",
    "runtime_hint": "runtimeHint",
    "runtime_arguments": "runtimeArguments",
    "package_arguments": "packageArguments",
    "environment_variables": "environmentVariables",
    "is_required": "isRequired",
    "is_secret": "isSecret",
    "is_repeated": "isRepeated",
    "value_hint": "valueHint",
    "website_url": "websiteUrl",
    "transport_type": "type",
}
"""How the schema's first editions wrote them."""
_TEXTS = {"description": MAX_HINT, "placeholder": MAX_HINT, "title": MAX_TITLE}
_VALUES = ("value", "default", "placeholder")
_NAMED = ("variables", "_meta")
"""Objects whose keys are names that somebody chose."""


def clean(document: dict[str, Any]) -> dict[str, Any]:
    """The document in the present schema's words, its texts bounded; raises `InvalidInput` for what cannot be stored."""
    found = _cleaned(document, 0, renaming=True)
    assert isinstance(found, dict)
    for package in found.get("packages") or ():
        if isinstance(package, dict) and "identifier" not in package and "name" in package:
            package["identifier"] = package.pop("name")
    detail = found.pop("version_detail", None)
    if "version" not in found and isinstance(detail, dict):
        found["version"] = detail.get("version")
    if isinstance(found.get("description"), str):
        found["description"] = shown_text(found["description"], MAX_DESCRIPTION)
    if len(json.dumps(found)) > MAX_BYTES:
        raise InvalidInput(f"A server.json may have at most {MAX_BYTES // 1024} kB.", code="too_large")
    return found


def shown_text(text: str, most: int) -> str:
    """One line for people, without controls and what is not seen; cut where it is too long."""
    seen = "".join(" " if letter in "\r\n\t" else letter for letter in text if letter in "\r\n\t" or unicodedata.category(letter)[0] != "C")
    line = " ".join(seen.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _cleaned(value: Any, depth: int, *, renaming: bool) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidInput("This server.json is nested too deeply.", code="invalid_manifest")
    if isinstance(value, dict):
        return _cleaned_object(value, depth, renaming=renaming)
    if isinstance(value, list):
        return [_cleaned(item, depth + 1, renaming=renaming) for item in value if item is not None]
    if isinstance(value, str):
        _storable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput("This server.json holds a number that is none.", code="invalid_manifest")
    return value


def _cleaned_object(given: dict[Any, Any], depth: int, *, renaming: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        _storable(str(key))
        if value is None:
            continue
        name = _OLD_NAMES.get(str(key), str(key)) if renaming else str(key)
        kept = _cleaned(value, depth + 1, renaming=renaming and name not in _NAMED)
        if renaming and name in _VALUES and isinstance(kept, bool | int | float):
            kept = str(kept).lower() if isinstance(kept, bool) else str(kept)
        if renaming and name in _TEXTS and isinstance(kept, str):
            kept = shown_text(kept, _TEXTS[name])
        found[name] = kept
    if renaming and isinstance(found.get("variables"), dict):
        found["variables"] = {name: _cleaned(variable, depth + 1, renaming=True) for name, variable in found["variables"].items()}
    return found


def _storable(text: str) -> None:
    """PostgreSQL's JSON holds neither NUL nor half of a character."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidInput("This server.json holds characters that cannot be stored.", code="invalid_manifest")
