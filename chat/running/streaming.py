"""One answer of a model as it comes: its text and thoughts as events, in parts that are numbered through the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai.messages import (
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)

from chat.running.events import RunEvents
from chat.running.failures import ModelSilent

type Shown = dict[int, tuple[str, int, list[str]]]
"""By the place in the answer: ``text`` or ``thinking``, the number of the part, and what was shown of it."""


class Parts:
    """The parts of one answer; ``first`` is the number of its first one."""

    def __init__(self, events: RunEvents, first: int) -> None:
        self._events, self.next = events, first
        self._open: Shown = {}
        self._begun: list[int] = []

    def take(self, event: Any) -> None:
        """Tell what this means."""
        if isinstance(event, PartStartEvent):
            self._start(event.index, event.part)
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta | ThinkingPartDelta):
            self._delta(event.index, event.delta.content_delta or "")
        elif isinstance(event, PartEndEvent):
            self._end(event.index, event.part)

    def close(self) -> str:
        """Nothing more comes; returns the text of what was not ended by itself."""
        texts = ["".join(shown) for kind, _, shown in self._open.values() if kind == "text"]
        for index in list(self._open):
            self._end(index, None)
        return "".join(texts)

    def drop(self) -> None:
        """The answer broke off: what was shown of it is void."""
        for part in self._begun:
            self._events.add("text.dropped", part=part)
        self._open, self._begun = {}, []

    def _start(self, index: int, part: Any) -> None:
        if isinstance(part, TextPart | ThinkingPart):
            kind = "text" if isinstance(part, TextPart) else "thinking"
            self._open[index] = kind, self.next, []
            self._begun.append(self.next)
            self._events.add(f"{kind}.start", part=self.next, text="")
            self.next += 1
            self._delta(index, part.content)  # the first piece comes with the beginning

    def _delta(self, index: int, text: str) -> None:
        if text and index in self._open:
            kind, part, shown = self._open[index]
            shown.append(text)
            self._events.add(f"{kind}.delta", part=part, text=text)

    def _end(self, index: int, whole: Any) -> None:
        if index in self._open:
            kind, part, shown = self._open.pop(index)
            text = whole.content if isinstance(whole, TextPart | ThinkingPart) else "".join(shown)
            self._events.add(f"{kind}.end", part=part, text=text)


async def alive(stream: AsyncIterator[ModelResponseStreamEvent], seconds: float) -> AsyncIterator[Any]:
    """The events of a stream; raises `ModelSilent` where none comes for so long, whatever else comes over the connection."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                event = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ModelSilent(seconds) from error
        yield event
