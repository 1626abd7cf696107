"""Earlier runs of a conversation as a history: whole where there is room, else in short, else by the conversation's summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart

from chat.context.marking import marked
from chat.context.turns import in_short, tokens, turn_of
from chat.models import Run

WHOLE_RESULTS = 1
"""So many of the newest runs keep their results as the model was given them."""
SUMMARY = "What was said before, in a summary that was made automatically:"
UNDERSTOOD = "I know what was said before."

type Turn = tuple[list[ModelMessage], int]
"""The messages of a run, and their tokens."""


@dataclass
class History:
    """``left_out`` counts the runs that are neither in ``messages`` nor in the summary, ``in_short`` those without their tool calls."""

    messages: list[ModelMessage] = field(default_factory=list)
    tokens: int = 0
    runs: int = 0
    in_short: int = 0
    summarised_to: int = 0
    left_out: int = 0


@dataclass
class Earlier:
    """The runs before this one, oldest first. ``older`` are the numbers of those before them, which are not looked at."""

    runs: Sequence[Run]
    older: Sequence[int] = ()
    summary: str = ""
    summarised_to: int = 0
    _whole: dict[int, Turn] = field(default_factory=dict)

    def within(self, room: int) -> History:
        """What goes into so many tokens: the newest first, and without a gap. It takes its time where there is much."""
        if self._all_fit(room):
            turns = [self._turn(place) for place in range(len(self.runs))]
            return History([message for turn, _ in turns for message in turn], sum(size for _, size in turns), runs=len(turns))
        opening = _opening(self.summary) if self.summary else []
        history = History(tokens=tokens(opening))
        turns = []
        for place in reversed(range(len(self.runs))):
            turn = self._turn(place)
            if history.tokens + turn[1] > room:
                short = in_short(self.runs[place])
                turn = short, tokens(short)
                history.in_short += 1
            if history.tokens + turn[1] > room:
                history.in_short -= 1
                break
            turns.insert(0, turn)
            history.tokens += turn[1]
        self._tell(history, len(turns))
        if not history.summarised_to:
            history.tokens -= tokens(opening)
            opening = []
        history.messages = [*opening, *(message for turn, _ in turns for message in turn)]
        return history

    def _tell(self, history: History, runs: int) -> None:
        missing = [*self.older, *(run.number for run in self.runs[: len(self.runs) - runs])]
        history.runs = runs
        history.left_out = sum(number > self.summarised_to for number in missing) if self.summary else len(missing)
        history.summarised_to = self.summarised_to if missing and self.summary else 0

    def _all_fit(self, room: int) -> bool:
        if self.older:
            return False
        for place in reversed(range(len(self.runs))):
            room -= self._turn(place)[1]
            if room < 0:
                return False
        return True

    def _turn(self, place: int) -> Turn:
        if place not in self._whole:
            turn = turn_of(self.runs[place], is_old=place < len(self.runs) - WHOLE_RESULTS)
            self._whole[place] = turn, tokens(turn)
        return self._whole[place]


def _opening(summary: str) -> list[ModelMessage]:
    told = f"{SUMMARY}\n{marked(summary, 'a summary of this conversation')}"
    return [ModelRequest(parts=[UserPromptPart(told)]), ModelResponse(parts=[TextPart(UNDERSTOOD)])]
