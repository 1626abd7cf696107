"""JSON as it comes from outside: bounded, and for what people wrote by hand with comments and commas too many."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from agentopia.lib.errors import InvalidInput

MAX_BYTES = 8 * 1024 * 1024
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)


def read_json(text: str | bytes, *, what: str = "This", lenient: bool = False) -> Any:
    """Parse it; ``lenient`` takes comments and trailing commas as well. Raises `InvalidInput`, whose sentence begins with ``what``."""
    if len(text) > MAX_BYTES:
        raise InvalidInput(f"{what} is larger than {MAX_BYTES // 1024**2} MB.", code="too_large")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise InvalidInput(f"{what} is empty.", code="not_json")
    try:
        return json.loads(_plain(text) if lenient else text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise InvalidInput(f"{what} is not JSON ({where}).", code="not_json") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{what} is not JSON that can be used.", code="not_json") from None


def _plain(text: str) -> str:
    """Without comments and trailing commas; what is inside of strings stays, and so do the lines."""
    text = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text.removeprefix("\ufeff"))
    return _COMMA.sub(lambda found: found[1] or "", text)


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
