"""How many tokens a text is, without asking anybody: an estimate that is rather too high.

Each maker's tokenizer is another, some are not published, and those that are fetch their data when they are first used. So pieces are
counted as byte-pair tokenizers cut them: words, runs of digits, marks, signs. `MARGIN` is what the estimate was too low by, at most, for
the kinds of text in tests/chat/context/test_tokens.py (docs/20-context.md has the figures).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from agents.toolsets.types import OfferedTool

MARGIN = 1.25
OF_MESSAGE = 6
"""What a message, or a tool call, takes beside its text."""
OF_IMAGE = 1_600
OF_FILE = 3_000
"""A page of a document, half a minute of audio: nobody knows before it is sent."""
WHOLE = 100_000
"""Longer texts are judged by this much of them."""
SPELT = 5
LETTERS, DIGITS = 4.5, 2.2

_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|\s+|[^\x00-\x7f]|[^A-Za-z0-9\s]")
_SIGNS = ((0x1F000, 2.6), (0x2E80, 1.2), (0x0E80, 1.1), (0x0900, 1.3), (0x0500, 1.1), (0x0400, 0.65), (0, 0.8))
"""From these code points on a sign is so many tokens: pictures, Chinese and its neighbours, scripts of India, Arabic, Cyrillic, Latin."""


def of_text(text: str) -> int:
    """In tokens; 0 for no text."""
    if not text:
        return 0
    if len(text) > WHOLE:
        return int(_counted(text[:WHOLE]) * len(text) / WHOLE) + 1
    return int(_counted(text)) + 1


def of_json(value: Any) -> int:
    """Of a JSON value, as it is sent."""
    return of_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def of_tool(tool: OfferedTool) -> int:
    """Of a tool's definition."""
    return _of_definition(_Defined(tool.name, tool.digest, tool))


def fits(tokens: int, text: str) -> str:
    """The beginning of the text that is about so many tokens."""
    whole = of_text(text)
    return text if whole <= tokens else text[: max(0, int(len(text) * tokens / whole))]


def _counted(text: str) -> float:
    return MARGIN * sum(_piece(found.group()) for found in _PIECE.finditer(text))


def _piece(piece: str) -> float:
    first = ord(piece[0])
    if first > 127:
        return next(tokens for begin, tokens in _SIGNS if first >= begin)
    if piece == " ":  # part of the word that follows
        return 0
    if piece.isspace():
        return 0.7 + len(piece) / 16
    if piece.isdigit():
        return (len(piece) + 1) / DIGITS
    if piece.isalpha():
        return 1 + max(0, len(piece) - SPELT) / LETTERS
    return 0.85


class _Defined:
    """A tool, told from others by its name and the digest of its definition."""

    def __init__(self, name: str, digest: str, tool: OfferedTool) -> None:
        self.key, self.tool = (name, digest), tool

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Defined) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=20_000)
def _of_definition(defined: _Defined) -> int:
    definition = defined.tool.definition
    described = of_text(str(definition.get("description") or ""))
    return OF_MESSAGE + of_text(defined.tool.name) + described + of_json(defined.tool.input_schema)
