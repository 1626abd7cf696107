"""What a run has to show, made of its events: texts, thoughts, rounds of tool calls and quiet lines, in their order.

A page makes it of rows, a socket of rows and of what is told after them: the same events give the same flow. What is shown of a tool call
is in the row of its step; the flow knows its place, and what only events tell of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chat.live import Told
from chat.pages.lines import Line, line_of

DELTAS = ("text.delta", "thinking.delta")


@dataclass
class Part:
    """A text of the model's (kind ``text``) or a thought (``thinking``); void where the answer broke off and is made again.

    ``shown`` is for who streams it: so many characters are in the page as finished blocks.
    """

    key: str
    kind: str
    text: str = ""
    is_open: bool = True
    is_void: bool = False
    shown: int = 0
    began: str = ""
    seconds: float | None = None


@dataclass
class Round:
    """Tool calls that the model asked for at once: the ids of their steps."""

    key: str
    kind: str = "round"
    steps: list[str] = field(default_factory=list)


@dataclass
class CallNews:
    """What only the events tell of a tool call. ``standing`` is for who streams it: how its card is in the page."""

    title: str = ""
    progress: dict[str, Any] | None = None
    milliseconds: float | None = None
    cost: dict[str, Any] = field(default_factory=dict)
    standing: tuple[Any, ...] | None = None


type Item = Part | Round | Line


@dataclass
class News:
    """What events changed: keys of items and ids of steps, in their order, each with whether it is new; whether the run's own state did."""

    items: dict[str, bool] = field(default_factory=dict)
    steps: dict[str, bool] = field(default_factory=dict)
    state: bool = False

    def __bool__(self) -> bool:
        return bool(self.items or self.steps or self.state)


@dataclass
class Flow:
    """``seq`` is the number of the last event in it."""

    seq: int = 0
    items: dict[str, Item] = field(default_factory=dict)
    calls: dict[str, CallNews] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    is_over: bool = False
    news: News = field(default_factory=News)

    def take(self, events: Iterable[Told]) -> None:
        """Add the events after `seq`."""
        for event in events:
            if event["seq"] > self.seq:
                self.seq = event["seq"]
                self._take(event["kind"], event["data"], event["at"])

    def taken_news(self) -> News:
        """What changed since this was asked last."""
        news, self.news = self.news, News()
        return news

    @property
    def has_open_parts(self) -> bool:
        return any(isinstance(item, Part) and item.is_open and not item.is_void for item in self.items.values())

    def _take(self, kind: str, data: dict[str, Any], at: str) -> None:
        if kind.startswith("run."):
            self.news.state = True
            self.is_over = self.is_over or kind == "run.ended"
        match kind:
            case "usage":
                self.usage, self.news.state = data, True
            case "text.start" | "text.delta" | "thinking.start" | "thinking.delta":
                part = self._part(kind, data, at)
                part.text += str(data.get("text") or "")
            case "text.end" | "thinking.end":
                part = self._part(kind, data, at)
                part.text, part.is_open, part.seconds = str(data.get("text") or ""), False, _between(part.began, at)
            case "text.dropped":
                self._dropped(data)
            case "tool.called":
                self._called(data)
            case "tool.approval" | "tool.running" | "tool.progress" | "tool.ended":
                self._call(kind, data)
            case "question.asked" | "question.closed":
                self._question(data)
            case _:
                if (line := line_of(self.seq, kind, data)) is not None:
                    self._add(line)

    def _add(self, item: Item) -> None:
        self.items[item.key] = item
        self.news.items[item.key] = True

    def _part(self, kind: str, data: dict[str, Any], at: str) -> Part:
        name = kind.partition(".")[0]
        key = f"part-{data.get('part')}"
        part = self.items.get(key)
        if not isinstance(part, Part):
            part = Part(key, name, began=at)
            self._add(part)
        self.news.items.setdefault(key, False)
        return part

    def _dropped(self, data: dict[str, Any]) -> None:
        part = self.items.get(f"part-{data.get('part')}")
        if isinstance(part, Part):
            part.is_void, part.is_open = True, False
            self.news.items.setdefault(part.key, False)

    def _called(self, data: dict[str, Any]) -> None:
        step = str(data.get("step"))
        key = f"round-{data.get('round')}"
        calls = self.items.get(key)
        if not isinstance(calls, Round):
            calls = Round(key)
            self._add(calls)
        if step not in calls.steps:
            calls.steps.append(step)
        self.calls.setdefault(step, CallNews()).title = str(data.get("title") or "")
        self.news.steps.setdefault(step, True)

    def _call(self, kind: str, data: dict[str, Any]) -> None:
        step = str(data.get("step"))
        told = self.calls.setdefault(step, CallNews())
        if kind == "tool.progress":
            told.progress = {name: data.get(name) for name in ("progress", "total", "message")}
        elif kind == "tool.ended":
            told.milliseconds, told.cost = _number(data.get("ms")), data.get("cost") or {}
        self.news.steps.setdefault(step, False)

    def _question(self, data: dict[str, Any]) -> None:
        if step := data.get("step"):
            self.news.steps.setdefault(str(step), False)
        else:  # which step it was of is known to the page
            self.news.steps.update({known: False for known in self.calls if known not in self.news.steps})
        self.news.state = True


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _between(began: str, ended: str) -> float | None:
    try:
        return max(0.0, (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())
    except ValueError:
        return None
