"""Long text made shorter so that its beginning, its end and its form can still be read, with a word on what was left out."""

from __future__ import annotations

import json
from typing import Any

from chat.context.tokens import of_text

HEAD = 0.7
DEEPEST = 40
LONG = 50_000
"""Characters of JSON that are not set in lines: that takes Python long, and nobody reads them."""
STEPS = ((60, 4_000, 60), (30, 1_500, 60), (15, 600, 40), (8, 300, 30), (4, 150, 20), (2, 80, 12))
"""Most items of a list, longest string, most members of an object, one after the other until it is short enough."""

type Json = Any


def shortened_text(text: str, tokens: int, reference: str = "") -> str:
    """At most about so many tokens of it: the beginning and the end, cut where lines end. ``reference`` is for `read_result`."""
    whole = of_text(text)
    if whole <= tokens:
        return text
    kept = max(200, int(len(text) * tokens / whole) - 200)
    if kept >= len(text):
        return text
    head = _to_line_end(text[: int(kept * HEAD)])
    tail = _from_line_start(text[len(text) - (kept - int(kept * HEAD)) :])
    left = len(text) - len(head) - len(tail)
    return f"{head}\n[… {left:,} of {len(text):,} characters are left out here.{_more(reference, len(head))} …]\n{tail}"


def shortened_json(value: Json, tokens: int, reference: str = "") -> str:
    """The same for a JSON value: lists keep their first items and the last, long strings their ends, and it stays JSON."""
    whole = written(value)
    if of_text(whole) <= tokens:
        return whole
    note = f"[This is a part: “…” says what was left out.{_more(reference, 0)}]\n"
    room = tokens - of_text(note)
    for items, length, members in STEPS:
        text = written(_smaller(value, items, length, members, 0))
        if of_text(text) <= room:
            return note + text
    return note + shortened_text(text, room)


def written(value: Json) -> str:
    """JSON, with lines where that helps to read it."""
    compact = json.dumps(value, ensure_ascii=False)
    return compact if not 120 < len(compact) < LONG else json.dumps(value, ensure_ascii=False, indent=1)


def parsed(text: str) -> Json | None:
    """An object or a list, where the text is one; else None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _smaller(value: Json, items: int, length: int, members: int, depth: int) -> Json:
    if depth > DEEPEST:
        return "…"
    if isinstance(value, str):
        return value if len(value) <= length else f"{value[: length * 2 // 3]} … {len(value) - length:,} more … {value[-length // 3 :]}"
    if isinstance(value, list):
        kept = [_smaller(item, items, length, members, depth + 1) for item in _ends(value, items)]
        return kept if len(value) <= items else [*kept[:-1], f"… {len(value) - items:,} more of {len(value):,} …", kept[-1]]
    if isinstance(value, dict):
        names = list(value)[:members]
        kept_members = {name: _smaller(value[name], items, length, members, depth + 1) for name in names}
        return kept_members if len(value) <= members else kept_members | {"…": f"{len(value) - members:,} more"}
    return value


def _ends(values: list[Json], most: int) -> list[Json]:
    return values if len(values) <= most else [*values[: most - 1], values[-1]]


def _to_line_end(text: str) -> str:
    cut = text.rfind("\n")
    return text[:cut] if cut > len(text) * 0.8 else text


def _from_line_start(text: str) -> str:
    cut = text.find("\n")
    return text[cut + 1 :] if 0 <= cut < len(text) * 0.2 else text


def _more(reference: str, offset: int) -> str:
    return f' Call read_result with reference "{reference}" and offset {offset} to read on.' if reference else ""
