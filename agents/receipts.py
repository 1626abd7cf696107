"""What of a call may be written down: secrets masked, long values cut.

A `Masker` is made for each call. It works on the JSON as text where it can: a value without anything to hide, which is the rule, is
looked through once and never taken apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from agents.secret_places import Schema, covered

MASK = "••••••"
SHORTEST_SECRET = 4  # a shorter value would mask ordinary words
STORED_BYTES = 16 * 1024
_MANY_WAYS = re.compile(r"\\[u/]")
"""Escapes with which the same text can be written in several ways."""
TOO_DEEP = '{"unstorable":"nested too deep"}'

type Json = Any


def masked(value: Json, schema: Schema | None, secrets: Iterable[str]) -> Json:
    """A JSON value as it may be stored.

    Masked are properties that the schema calls passwords or write-only, and wherever they occur, in keys too, the given secrets.
    """
    return json.loads(Masker(tuple(secrets)).arguments(value, schema))


class Masker:
    """What must not be written down of one call: its server's secrets, and what its arguments hold in places meant for secrets."""

    __slots__ = ("_forms", "_written")

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._forms, self._written = _forms_of(secrets)

    def arguments(self, arguments: Json, schema: Schema | None, *, whole: bool = False) -> str:
        """The JSON text of arguments, cut unless it is to be ``whole``.

        What stands in places that the schema means for secrets is masked, and from then on wherever else it occurs. None: in no place.
        """
        try:
            if schema is not None:
                arguments, found = covered(arguments, schema, MASK)
                self.hide(found)
            text = self._hidden(arguments, None)
        except RecursionError:
            return TOO_DEEP
        return text if whole else _cut(text)

    def result(self, text: str, parsed: Json) -> str:
        """The JSON text of a result, ``text`` as it came and ``parsed``."""
        try:
            return _cut(self._hidden(parsed, None if "\\" in text and _MANY_WAYS.search(text) else text))
        except RecursionError:
            return TOO_DEEP

    def text(self, text: str) -> str:
        """A sentence."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return _storable(text)

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on."""
        forms, written = _forms_of(tuple(secrets))
        if forms:
            self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))
            self._written = (*self._written, *written)

    def _hidden(self, value: Json, text: str | None) -> str:
        if text is None:
            text = _encoded(value)
            if text is not None and "\\" in text and "\\u0000" in text:
                text = None
        if text is None or self._must_take_apart(text):
            return json.dumps(self._each(value), ensure_ascii=False, separators=(",", ":"))
        return text

    def _must_take_apart(self, text: str) -> bool:
        if any(written in text for written in self._written):
            return True
        if text.isascii():
            return False
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            return True
        return False

    def _each(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self._each(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._each(item) for item in value]
        if isinstance(value, float) and not -float("inf") < value < float("inf"):
            return str(value)  # JSON, and so PostgreSQL, has no such number
        return MASK if isinstance(value, int | float) and str(value) in self._forms else value


@lru_cache(maxsize=1024)
def _forms_of(secrets: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The forms in which the secrets may stand in a text (as they are, escaped as in JSON or as in a URL), the longest first; and how
    each of them is written in JSON.
    """
    found: set[str] = set()
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            found |= {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
            found |= {quoted for safe in ("/", "") if len(quoted := quote(secret, safe=safe, errors="replace")) >= SHORTEST_SECRET}
    forms = tuple(sorted(found, key=len, reverse=True))
    return forms, tuple(json.dumps(form, ensure_ascii=False)[1:-1] for form in forms)


def _encoded(value: Json) -> str | None:
    """None where it holds a number that JSON does not know."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return None


def _storable(text: str) -> str:
    text = text.replace("\x00", "\ufffd")  # PostgreSQL's JSON has no NUL, nor half a surrogate pair
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cut(text: str) -> str:
    if len(text) <= STORED_BYTES:
        return text
    cut = {"truncated": True, "bytes": len(text.encode()), "beginning": text[:STORED_BYTES]}
    return json.dumps(cut, ensure_ascii=False, separators=(",", ":"))
