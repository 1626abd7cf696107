"""What is suspicious about a tool's definition: a pure look at its texts, for a person to judge.

A model reads definitions as if they were told by whom it works for. So what hides from people, or speaks to the model of other things than
the tool, is pointed out. It finds the known ways, no more: what it does not find is not thereby good.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from agents.pinning.hidden import hidden_in, plain
from agents.pinning.phrases import EXCERPT, around, phrases_in
from mcp_registry.upgrading.tool_changes import visible

LONG_DESCRIPTION = 4_000
LONG_PARAMETER = 2_000
LONGEST_WORD = 40
TEXTS_READ = 5_000
TEXT_READ = 50_000
READ_IN_ALL = 500_000
FINDINGS_KEPT = 20
DEEPEST = 40
TELLING_NAME = re.compile(r"[a-z0-9]{2,}(?:[_-][a-z0-9]+)+|[a-z]{2,}(?:[A-Z][a-z0-9]+)+")
"""A name that is no word of a language, as `send_email` and `sendEmail`."""


@dataclass(frozen=True)
class Finding:
    """One suspicious thing: its kind in a word, where in the definition it is, and a sentence for a person."""

    kind: str
    where: str
    sentence: str
    excerpt: str = ""
    """The text that it is about, with hidden characters made visible."""
    serious: bool = True
    """Whether it is a reason to hold a new tool back."""


def inspect(definition: Mapping[str, Any], elsewhere: Set[str] = frozenset(), here: Set[str] = frozenset()) -> tuple[Finding, ...]:
    """What is suspicious, at most `FINDINGS_KEPT`, what is serious first.

    ``elsewhere`` are the names of the tools of the agent's other servers, ``here`` those of the tool's own.
    """
    findings = dict.fromkeys(islice(_findings(definition, elsewhere, here), FINDINGS_KEPT))
    return tuple(sorted(findings, key=lambda finding: not finding.serious))


def holds(findings: Collection[Finding]) -> bool:
    """Whether that is reason enough to hold a new tool back."""
    return any(finding.serious for finding in findings)


def _findings(definition: Mapping[str, Any], elsewhere: Set[str], here: Set[str]) -> Iterator[Finding]:
    yield from _of_name(str(definition.get("name", "")), elsewhere)
    left = READ_IN_ALL
    for where, text in islice(_texts(definition, ""), TEXTS_READ):
        left -= len(text)
        if left < 0:
            yield Finding("big", where, "It has more text than was looked at.")
            return
        for found in _of_text(where, text[:TEXT_READ], elsewhere, here):
            yield replace(found, where=visible(where[-EXCERPT:]))


def _of_name(name: str, elsewhere: Set[str]) -> Iterator[Finding]:
    scripts = set() if name.isascii() else {script for char in name if (script := _script(char))}
    if len(scripts) > 1:
        sentence = f"Its name mixes letters of {' and '.join(sorted(scripts))}, which look alike."
        yield Finding("mixed_scripts", "name", sentence, visible(name[:EXCERPT]))
    if name in elsewhere:
        yield Finding("same_name", "name", "Another server of this agent offers a tool of this name.", name[:EXCERPT], serious=False)


def _of_text(where: str, text: str, elsewhere: Set[str], here: Set[str]) -> Iterator[Finding]:
    if len(text) <= LONGEST_WORD and text.isascii() and text.isidentifier():
        return  # a word of the schema's own, as most texts are
    for kind, sentence, excerpt in hidden_in(text):
        yield Finding(kind, where, sentence, excerpt[:EXCERPT])
    readable = plain(text)
    for kind, sentence, excerpt in phrases_in(readable):
        yield Finding(kind, where, sentence, visible(excerpt))
    for name in sorted(elsewhere & (set(TELLING_NAME.findall(readable)) - here)) if elsewhere else ():
        yield Finding(
            "other_tool",
            where,
            f"It speaks of “{name}”, a tool of another server.",
            visible(around(readable, (begin := readable.find(name)), begin + len(name))),
        )
    longest = LONG_DESCRIPTION if where == "description" else LONG_PARAMETER
    if where.endswith("description") and len(text) > longest:
        sentence = f"It has {len(text)} characters: more than a person reads, and each request pays for them."
        yield Finding("long", where, sentence, serious=False)


def _texts(value: Any, where: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text of it, names of properties included, with its place as ``inputSchema.properties.path.description``."""
    if isinstance(value, str):
        yield where, value
    elif depth < DEEPEST and isinstance(value, Mapping):
        for key, item in value.items():
            place = f"{where}.{key}" if where else str(key)
            if len(str(key)) > LONGEST_WORD or not str(key).isascii():
                yield f"{where} (a name)" if where else "a name", str(key)
            yield from _texts(item, place, depth + 1)
    elif depth < DEEPEST and isinstance(value, list):
        for item in value:
            yield from _texts(item, where, depth + 1)


def _script(char: str) -> str:
    """Of letters that are taken for each other."""
    name = unicodedata.name(char, "") if char.isalpha() else ""
    return next((script.capitalize() for script in ("LATIN", "CYRILLIC", "GREEK", "CHEROKEE", "ARMENIAN") if name.startswith(script)), "")
