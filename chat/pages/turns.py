"""Turns of a conversation as its page shows them: each a run with the user's message, what happened, and how it stands."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from agents.models import Approval
from chat.models import Attachment, Question, Run, Step
from chat.pages import ended
from chat.pages.ended import Rendered
from chat.pages.flow import CallNews, Flow, Item, Round
from chat.pages.results import Block
from chat.pages.versions import Versions


@dataclass(frozen=True)
class ShownCall:
    """A tool call. ``approval`` is there while it can be decided, ``question`` while it can be answered."""

    step: Step
    told: CallNews
    approval: Approval | None = None
    question: Question | None = None
    media: list[Block] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.told.title or self.step.tool_name or self.step.name

    @property
    def milliseconds(self) -> float | None:
        if self.told.milliseconds is not None:
            return self.told.milliseconds
        if self.step.started_at and self.step.ended_at:
            return (self.step.ended_at - self.step.started_at).total_seconds() * 1000
        return None

    @property
    def progress(self) -> dict[str, Any] | None:
        return self.told.progress or self.step.progress

    @property
    def fraction(self) -> float | None:
        """How far it is, 0…1; None where nobody knows."""
        told = self.progress or {}
        done, total = told.get("progress"), told.get("total")
        if isinstance(done, int | float) and isinstance(total, int | float) and total > 0:
            return min(1.0, max(0.0, done / total))
        return None

    @property
    def is_ended(self) -> bool:
        return self.step.status in Step.ENDED

    @property
    def is_open(self) -> bool:
        """It waits for its user."""
        return self.approval is not None or self.question is not None


@dataclass(frozen=True)
class ShownItem:
    """An item of the flow; a round with its calls."""

    item: Item
    calls: list[ShownCall] = field(default_factory=list)


@dataclass
class Turn:
    """A run, with what its page needs. Of one whose parts are `kept` as HTML the rest is not read."""

    run: Run
    flow: Flow = field(default_factory=Flow)
    calls: dict[str, ShownCall] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    kept: Rendered | None = None
    versions: Versions | None = None

    @property
    def id(self) -> str:
        """Begins the ids of all that is in it."""
        return f"run-{self.run.pk}"

    @property
    def items(self) -> list[ShownItem]:
        """In their order. Once the run has ended, calls of which no event tells come where they belong: until then events are to come."""
        found = [self._shown(item) for item in self.flow.items.values() if not getattr(item, "is_void", False)]
        if not self.is_ended:
            return found
        told = {step for item in self.flow.items.values() if isinstance(item, Round) for step in item.steps}
        if rest := [call for key, call in self.calls.items() if key not in told]:
            rounds: dict[int, list[ShownCall]] = defaultdict(list)
            for call in rest:
                rounds[call.step.round].append(call)
            found = [ShownItem(Round(f"round-{number}"), calls) for number, calls in sorted(rounds.items())] + found
        return found

    @property
    def untold_answer(self) -> str:
        """The answer, where no event tells of it."""
        return (
            "" if any(item.kind == "text" and not getattr(item, "is_void", False) for item in self.flow.items.values()) else self.run.answer
        )

    @property
    def is_ended(self) -> bool:
        return self.run.status in Run.ENDED

    @property
    def said(self) -> SafeString:
        """The message, as HTML."""
        return self._rendered.said

    @property
    def answered(self) -> SafeString:
        """What came of it, as HTML."""
        return self._rendered.answered

    @cached_property
    def _rendered(self) -> Rendered:
        if self.kept is None:
            self.kept = Rendered(*(render_to_string(f"chat/{name}.html", {"turn": self}) for name in ("said", "answered")))
            ended.keep(self.run, self.kept)
        return self.kept

    def _shown(self, item: Item) -> ShownItem:
        if isinstance(item, Round):
            return ShownItem(item, [self.calls[step] for step in item.steps if step in self.calls])
        return ShownItem(item)
