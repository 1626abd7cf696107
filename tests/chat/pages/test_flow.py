"""The same events give the same flow, in whatever pieces they come."""

from __future__ import annotations

from typing import Any

from chat.live import Told
from chat.pages.flow import Flow, Part, Round
from chat.pages.lines import Line

AT = "2026-01-01T10:00:00+00:00"
LATER = "2026-01-01T10:00:03+00:00"


def events(*given: tuple[str, dict[str, Any]], first: int = 1) -> list[Told]:
    return [{"seq": seq, "kind": kind, "data": data, "at": AT} for seq, (kind, data) in enumerate(given, first)]


STORY = events(
    ("run.started", {"attempt": 1}),
    ("thinking.start", {"part": 1, "text": ""}),
    ("thinking.delta", {"part": 1, "text": "Hm"}),
    ("thinking.end", {"part": 1, "text": "Hmm."}),
    ("text.start", {"part": 2, "text": ""}),
    ("text.delta", {"part": 2, "text": "I look"}),
    ("text.delta", {"part": 2, "text": " it up."}),
    ("tool.called", {"step": "a", "round": 1, "title": "Look up"}),
    ("tool.called", {"step": "b", "round": 1, "title": "Look down"}),
    ("tool.progress", {"step": "a", "progress": 1, "total": 2, "message": "half"}),
    ("model.retry", {"reason": "Too busy.", "seconds": 2.0}),
    ("tool.ended", {"step": "a", "ms": 12.5, "cost": {"cpu_seconds": 0.1}}),
    ("text.start", {"part": 3, "text": "Broken"}),
    ("text.dropped", {"part": 3}),
    ("usage", {"requests": 1}),
    ("notice", {"code": "x", "text": "Look\nhere"}),
    ("something.new", {"a": 1}),
)


def test_items_are_in_their_order() -> None:
    flow = Flow()
    flow.take(STORY)
    items = list(flow.items.values())
    assert [item.kind for item in items] == ["thinking", "text", "round", "line", "text", "line"]
    assert isinstance(items[1], Part)
    assert (items[1].text, items[1].is_open) == ("I look it up.", True)
    assert isinstance(items[2], Round)
    assert items[2].steps == ["a", "b"]
    assert flow.calls["a"].progress == {"progress": 1, "total": 2, "message": "half"}
    assert (flow.calls["a"].milliseconds, flow.calls["a"].title) == (12.5, "Look up")
    assert isinstance(items[3], Line)
    assert items[3].text == "Too busy. Asked again after 2 s."
    assert isinstance(items[4], Part)
    assert items[4].is_void
    assert flow.seq == len(STORY)
    assert flow.has_open_parts


def test_pieces_and_repetitions_make_no_difference() -> None:
    whole, pieces = Flow(), Flow()
    whole.take(STORY)
    for end in range(1, len(STORY) + 1):
        pieces.take(STORY[:end])
    assert pieces.items == whole.items
    assert pieces.calls == whole.calls


def test_without_the_pieces_of_texts_it_is_the_same_in_the_end() -> None:
    """Those are forgotten once a run has ended."""
    told = [
        *STORY,
        *events(("text.end", {"part": 2, "text": "I look it up."}), ("run.ended", {"status": "succeeded"}), first=len(STORY) + 1),
    ]
    whole, short = Flow(), Flow()
    whole.take(told)
    short.take([event for event in told if not event["kind"].endswith(".delta")])
    assert short.items == whole.items
    assert short.is_over
    assert not short.has_open_parts


def test_news_are_what_changed_since_they_were_taken() -> None:
    flow = Flow()
    flow.take(STORY[:8])
    assert flow.taken_news().items == {"part-1": True, "part-2": True, "round-1": True}
    assert not flow.taken_news()
    flow.take(STORY[8:12])
    news = flow.taken_news()
    assert (news.items, news.steps, news.state) == ({"line-11": True}, {"b": True, "a": False}, False)


def test_how_long_it_thought() -> None:
    flow = Flow()
    flow.take(events(("thinking.start", {"part": 1, "text": ""})))
    flow.take([{"seq": 2, "kind": "thinking.end", "data": {"part": 1, "text": "Hm."}, "at": LATER}])
    part = flow.items["part-1"]
    assert isinstance(part, Part)
    assert part.seconds == 3.0
