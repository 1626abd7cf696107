"""JSON as models write it when they do not quite: in a fence, twice, as Python, without its last bracket."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

LONGEST = 2_000_000
_FENCED = re.compile(r"\A```[a-zA-Z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_WHOLE_END = re.compile(r'(?:"|[}\]]|true|false|null)\Z')
"""A number may have lost its last digits."""


def read(text: str) -> Any:
    """The value; raises ``ValueError`` where the text cannot be read without guessing."""
    if len(text) > LONGEST:
        raise ValueError("The text is too long.")
    stripped = text.strip()
    if fenced := _FENCED.match(stripped):
        stripped = fenced[1].strip()
    for reading in (json.loads, _twice, _without_commas, _python):
        try:
            return reading(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise ValueError("The text is no JSON.")


def _twice(text: str) -> Any:
    """The same value several times, one after the other."""
    value, end = json.JSONDecoder().raw_decode(text)
    rest = text[end:].strip()
    while rest:
        again, end = json.JSONDecoder().raw_decode(rest)
        if again != value:
            raise ValueError("It is not the same again.")
        rest = rest[end:].strip()
    return value


def _without_commas(text: str) -> Any:
    if '"' in _TRAILING_COMMA.sub("", text) and any(_TRAILING_COMMA.search(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', text)):
        raise ValueError("A string looks as if it had a comma at its end.")
    return json.loads(_TRAILING_COMMA.sub(r"\1", text))


def _python(text: str) -> Any:
    value = ast.literal_eval(text)
    return json.loads(json.dumps(value, allow_nan=False))  # tuples are lists; sets and bytes are refused


def without_its_end(text: str) -> dict[str, Any]:
    """An object that lacks its closing bracket and ends with a whole value; raises ``ValueError`` for anything else.

    It may have lost properties: whoever uses it has to know which there can be.
    """
    stripped = text.strip()
    if len(stripped) > LONGEST or not _WHOLE_END.search(stripped):
        raise ValueError("More was to come.")
    value = json.loads(stripped + "}")
    if not isinstance(value, dict):
        raise ValueError("It is no object.")  # noqa: TRY004 (as for anything else that is not meant)
    return value
