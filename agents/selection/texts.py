"""What of a tool is searched: its words, weighted by where they stand, and the text that its vector is made from."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agents.embedding.stop_words import STOP_WORDS

# How much a word counts in each place; "what it does" and how it is called matter more than what its parameters are said to be.
WEIGHTS = {"server": 1.0, "name": 2.0, "description": 1.0, "parameters": 0.5, "parameter descriptions": 0.5}
LONGEST_SEARCHED = 8_000
LONGEST_READ = 1_000
DEEPEST = 2
MOST_PARAMETERS = 100

LOWER_UPPER = re.compile(r"([a-z0-9])([A-Z])")
UPPER_WORD = re.compile(r"([A-Z]+)([A-Z][a-z])")
JOINTS = re.compile(r"[_\-./:]+")
WORD = re.compile(r"[a-z0-9]+|[^\W_a-z0-9\u3400-\u9fff]+|[\u3400-\u9fff]")
ENDINGS = ("ing", "ies", "es", "ed", "s")
SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Document:
    """One tool as it is searched."""

    terms: Mapping[str, float]
    """How often each stands in it, weighted."""
    length: float
    text: str
    """What its vector is made from."""


def document(server: str, definition: Mapping[str, Any]) -> Document:
    """Of the MCP `Tool` that ``server`` offers."""
    places = places_of(server, definition)
    counts: Counter[str] = Counter()
    length = 0.0
    for place, text in places.items():
        found = terms(text)
        length += WEIGHTS[place] * len(found)
        for term in found:
            counts[term] += WEIGHTS[place]  # type: ignore[assignment]  # a Counter counts in halves as well
    read = (places["server"], places["name"], places["description"][:LONGEST_READ])
    return Document(counts, length, ". ".join(part for part in read if part))


def places_of(server: str, definition: Mapping[str, Any]) -> dict[str, str]:
    """The texts by the places that WEIGHTS names."""
    schema = definition.get("inputSchema")
    parameters = list(_parameters(schema))[:MOST_PARAMETERS]
    name = str(definition.get("name") or "")
    title = str(definition.get("title") or "")
    return {
        "server": split_name(server),
        "name": split_name(name if title in ("", name) else f"{name} {title}"),
        "description": str(definition.get("description") or "")[:LONGEST_SEARCHED],
        "parameters": " ".join(split_name(name) for name, _ in parameters),
        "parameter descriptions": " ".join(described for _, described in parameters)[:LONGEST_SEARCHED],
    }


def split_name(name: str) -> str:
    """The words of an identifier: `getHTTPStatus_v2` is get HTTP Status v2."""
    return JOINTS.sub(" ", UPPER_WORD.sub(r"\1 \2", LOWER_UPPER.sub(r"\1 \2", name))).strip()


def words(text: str) -> list[str]:
    """In lower case, without those that say nothing."""
    plain = unicodedata.normalize("NFKC", split_name(text)).lower()
    return [word for word in WORD.findall(plain) if word not in STOP_WORDS]


def terms(text: str) -> list[str]:
    """The stems of the words; where words are written without spaces between them, pairs of signs too."""
    found = words(text)
    pairs = [one + other for one, other in pairwise(found) if _is_sign(one) and _is_sign(other)]
    return [stem(word) for word in found] + pairs


def stem(word: str) -> str:
    """Without the ending of a plural or a verb's form."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _is_sign(word: str) -> bool:
    return len(word) == 1 and word >= "\u3400"


def _parameters(schema: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Names and descriptions, those of nested objects too."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return
    for name, of in properties.items():
        described = of.get("description") if isinstance(of, Mapping) else None
        yield str(name), described if isinstance(described, str) else ""
        if depth + 1 < DEEPEST:
            yield from _parameters(of, depth + 1)
