"""What differs between the tools of two versions of a server: a pure comparison, bounded, for people to read.

Definitions come from servers that nobody vouches for. So every part of one is compared, hidden characters are made visible, and what is
kept has a limit, whatever a server says.
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Self

PARTS = ("title", "description", "inputSchema", "outputSchema", "annotations")
OTHER = "other"
PART_TITLES = {
    "title": "Title",
    "description": "Description",
    "inputSchema": "What it takes",
    "outputSchema": "What it returns",
    "annotations": "Hints",
    OTHER: "Other parts",
}
TOOLS_KEPT = 200
"""Of those added, removed and changed each."""
LINES_COMPARED = 2_000
LINES_KEPT = 120
"""Of one part of one tool's difference; and `LINES_KEPT_IN_ALL` of all of them."""
LINES_KEPT_IN_ALL = 1_500
LINE_LENGTH = 300
CONTEXT = 2

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class ChangedPart:
    """A part of a definition (`PARTS`, `OTHER`) and its lines, which begin with ``+``, ``-``, a space, or ``@`` where some are left out."""

    name: str
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        return PART_TITLES.get(self.name, self.name)


@dataclass(frozen=True)
class ChangedTool:
    name: str
    parts: tuple[ChangedPart, ...]


@dataclass(frozen=True)
class ToolOutline:
    """A tool that came or went."""

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class Changes:
    """What differs, by name; ``same`` tools did not change, and ``left_out`` ones did but are not told of. All text is made visible."""

    added: tuple[ToolOutline, ...] = ()
    removed: tuple[ToolOutline, ...] = ()
    changed: tuple[ChangedTool, ...] = ()
    same: int = 0
    left_out: int = 0

    @property
    def breaks(self) -> bool:
        """Whether what agents and people rely on is gone or other than it was."""
        return bool(self.removed or self.changed)

    @property
    def summary(self) -> str:
        """As in ``2 added, 1 removed``; that nothing did, where nothing did."""
        counts = ((len(self.added), "added"), (len(self.removed), "removed"), (len(self.changed), "changed"))
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "no tool changed"

    def as_json(self) -> dict[str, Any]:
        """For a JSON column."""
        return asdict(self)

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(
            added=tuple(ToolOutline(**tool) for tool in stored["added"]),
            removed=tuple(ToolOutline(**tool) for tool in stored["removed"]),
            changed=tuple(
                ChangedTool(tool["name"], tuple(ChangedPart(part["name"], tuple(part["lines"])) for part in tool["parts"]))
                for tool in stored["changed"]
            ),
            same=stored["same"],
            left_out=stored["left_out"],
        )


def compare(before: Iterable[Definition], after: Iterable[Definition]) -> Changes:
    """Compare the definitions of two versions' tools, as ``tools/list`` gave them."""
    old, new = _by_name(before), _by_name(after)
    both = [name for name in old if name in new]
    changed = [name for name in both if old[name] != new[name]]
    added, removed = [name for name in new if name not in old], [name for name in old if name not in new]
    budget = _Budget(LINES_KEPT_IN_ALL)
    return Changes(
        added=tuple(_outline(new[name]) for name in added[:TOOLS_KEPT]),
        removed=tuple(_outline(old[name]) for name in removed[:TOOLS_KEPT]),
        changed=tuple(ChangedTool(_short(name), _parts(old[name], new[name], budget)) for name in changed[:TOOLS_KEPT]),
        same=len(both) - len(changed),
        left_out=sum(max(0, len(names) - TOOLS_KEPT) for names in (added, removed, changed)),
    )


def visible(text: str) -> str:
    """The text with every character that does not show, or turns what follows it, written as ``⟨U+200B⟩``."""
    return "".join(f"⟨U+{ord(char):04X}⟩" if _hides(char) else char for char in text)


def _hides(char: str) -> bool:
    if char == " " or " " < char < "\x7f":
        return False
    is_selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    blank = char in "\u115f\u1160\u3164\uffa0\u2800"  # letters that have no shape
    return is_selector or blank or unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs")


class _Budget:
    """How many lines may still be kept."""

    def __init__(self, lines: int) -> None:
        self.left = lines

    def take(self, lines: Sequence[str]) -> tuple[str, ...]:
        """As many of them as there is room for, and a line that says how many are missing."""
        kept = lines[: min(LINES_KEPT, self.left)]
        self.left -= len(kept)
        missing = len(lines) - len(kept)
        return (*kept, f"@ {missing} more line{'s' if missing > 1 else ''}") if missing else tuple(kept)


def _by_name(definitions: Iterable[Definition]) -> dict[str, Definition]:
    return {str(definition.get("name", "")): definition for definition in definitions}


def _outline(definition: Definition) -> ToolOutline:
    name, title = str(definition.get("name", "")), definition.get("title")
    description = definition.get("description")
    return ToolOutline(
        _short(name), _short(title) if isinstance(title, str) else "", _short(description) if isinstance(description, str) else ""
    )


def _short(text: str) -> str:
    return visible(text[:LINE_LENGTH]) + ("…" if len(text) > LINE_LENGTH else "")


def _parts(old: Definition, new: Definition, budget: _Budget) -> tuple[ChangedPart, ...]:
    known = {name: (old.get(name), new.get(name)) for name in PARTS}
    rest = tuple({key: value for key, value in side.items() if key not in (*PARTS, "name")} for side in (old, new))
    pairs = {**known, OTHER: (rest[0] or None, rest[1] or None)}
    return tuple(ChangedPart(name, budget.take(_difference(before, after))) for name, (before, after) in pairs.items() if before != after)


def _difference(before: Any, after: Any) -> list[str]:
    """A unified difference without its headings; a line that stands for left-out ones begins with ``@``."""
    lines = difflib.unified_diff(_lines(before), _lines(after), lineterm="", n=CONTEXT)
    return ["@" if line.startswith("@@") else _short(line) for line in islice(lines, 2, None)][1:]


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return text.split("\n")[:LINES_COMPARED]
