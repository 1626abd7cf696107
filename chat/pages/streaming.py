"""Texts of a model as they grow: what is finished of one is appended to the page once, and only its last block is sent again and again."""

from __future__ import annotations

from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from chat.pages.flow import Part
from chat.pages.markdown import kept, rendered, settled


@dataclass(frozen=True)
class ShownPart:
    """``id`` is its element's. Of an open text ``done`` are the finished blocks and ``tail`` is the rest; of another ``done`` is all."""

    id: str
    part: Part
    done: SafeString
    tail: SafeString


def shown(turn_id: str, part: Part) -> ShownPart:
    """A part for a page."""
    place = f"{turn_id}-{part.key}"
    if part.kind != "text" or not part.text:
        return ShownPart(place, part, SafeString(""), SafeString(""))
    if not part.is_open:
        return ShownPart(place, part, kept(part.text, place), SafeString(""))
    at = settled(part.text)
    return ShownPart(place, part, rendered(part.text[:at], place), rendered(part.text[at:], f"{place}-{at}"))


def begun(turn_id: str, part: Part) -> str:
    """A part that is not in the page yet. What of it is shown is noted."""
    part.shown = settled(part.text) if part.kind == "text" else len(part.text)
    return render_to_string("chat/part.html", {"shown": shown(turn_id, part)})


def grown(turn_id: str, part: Part) -> str:
    """What brings a part that is in the page up to now, as fragments; what of it is shown then is noted."""
    place = f"{turn_id}-{part.key}"
    if part.is_void:
        return render_to_string("chat/part_void.html", {"id": place})
    if not part.is_open:
        return render_to_string("chat/part.html", {"shown": shown(turn_id, part)})
    before = part.shown
    if part.kind != "text":
        part.shown = len(part.text)
        return render_to_string("chat/part_thought.html", {"id": place, "text": part.text[before:]})
    part.shown += settled(part.text[before:])
    done = rendered(part.text[before : part.shown], f"{place}-{before}") if part.shown > before else ""
    tail = rendered(part.text[part.shown :], f"{place}-{part.shown}")
    return render_to_string("chat/part_grown.html", {"id": place, "done": done, "tail": tail})
