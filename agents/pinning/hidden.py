"""Characters that a person does not see and a model reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mcp_registry.upgrading.tool_changes import visible

TAGS = re.compile(r"[\U000e0000-\U000e007f]+")
BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SELECTORS = re.compile(r"[\ufe00-\ufe0e\U000e0100-\U000e01ef]|\ufe0f{2,}")
INVISIBLE = re.compile(
    r"[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]"
)
JOINERS = re.compile(r"[\u200c\u200d]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
PRIVATE = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")
FLAG = "\U0001f3f4"  # a black flag, which tags turn into that of a country's part

_KINDS = (
    ("bidi", BIDI, "It has characters that turn the direction of writing, so that it does not read as it stands."),
    ("variation", SELECTORS, "It has variation selectors, which can carry text that nobody sees."),
    ("invisible", INVISIBLE, "It has characters that do not show."),
    ("control", CONTROLS, "It has control characters, which change what a terminal shows."),
    ("private", PRIVATE, "It has characters without a common meaning, which may not show."),
)
_DROPPED = re.compile("|".join(pattern.pattern for pattern in (TAGS, BIDI, SELECTORS, INVISIBLE, JOINERS, CONTROLS, PRIVATE)))


def hidden_in(text: str) -> Iterator[tuple[str, str, str]]:
    """The kinds of hidden characters in a text: each a word, a sentence, and an excerpt in which they are visible."""
    if text.isascii() and text.isprintable():
        return
    for found in TAGS.finditer(text):
        if text[found.start() - 1 : found.start()] != FLAG or len(found[0]) > 7:
            said = "".join(chr(ord(char) - 0xE0000) for char in found[0] if 0xE0020 <= ord(char) < 0xE007F)
            yield "tags", "It has text in characters that do not show, which models can read.", visible(said) or visible(found[0])
            break
    for kind, pattern, sentence in _KINDS:
        if first := pattern.search(text):
            yield kind, sentence, visible(text[max(0, first.start() - 30) : first.end() + 60])
    for found in JOINERS.finditer(text):
        if not _joins(text, found.start()):
            yield "invisible", _KINDS[2][2], visible(text[max(0, found.start() - 30) : found.end() + 60])
            break


def plain(text: str) -> str:
    """The text as a model may take it: what does not show left out, what was written in tags written out, look-alike forms made one."""
    if text.isascii() and text.isprintable():
        return text
    spoken = TAGS.sub(lambda found: "".join(chr(ord(char) - 0xE0000) for char in found[0] if 0xE0020 <= ord(char) < 0xE007F), text)
    shown = _DROPPED.sub(lambda found: found[0] if found[0] in "\t\n\r" else "", spoken)
    return unicodedata.normalize("NFKC", shown)


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands where languages and emoji need one: between two characters that are not Latin."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    return bool(before and after) and ord(before) > 0x2FF and ord(after) > 0x2FF and not JOINERS.match(after)
