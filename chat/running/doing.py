"""A run while a worker is at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import ModelMessage

from agents.calling.types import Caller
from agents.models import Agent, ToolCall
from agents.toolsets.types import OfferedTool, Toolset
from chat.context.own_tools import OwnTool
from chat.context.results import FEWEST_TOKENS
from chat.context.sampling import Sampler
from chat.models import Run
from chat.providers.choosing import ModelUse
from chat.running.budgets import Budget
from chat.running.ends import Ends
from chat.running.events import Event, RunEvents
from chat.running.loops import Repeats


@dataclass(eq=False)
class Doing:
    """``messages`` are those of this run, and ``tools`` the ones that the model was given, by the names that it knows."""

    run: Run
    agent: Agent
    events: RunEvents
    uses: list[ModelUse]
    toolset: Toolset
    messages: list[ModelMessage] = field(default_factory=list)
    tools: dict[str, OfferedTool] = field(default_factory=dict)
    next_part: int = 1
    budget: Budget = field(default_factory=Budget)
    repeats: Repeats = field(default_factory=Repeats)
    own: dict[str, OwnTool] = field(default_factory=dict)
    """The tools that are the conversation's own, by their names."""
    sampler: Sampler | None = None
    """Answers what servers ask of the model, from the first such question on."""
    result_tokens: int = FEWEST_TOKENS
    """Of one result, at most, for the window of the model that is asked now."""
    was_told_to_go_on: bool = False
    """After an answer that only said what it would do."""
    cut_off: str = ""
    """The text of an answer that was being streamed when the work on the run was cancelled."""
    must_end: Ends | None = None
    """Why it ends once the calls of this round have ended."""

    @property
    def caller(self) -> Caller:
        """As whom its tools are called."""
        return Caller(self.run.conversation.owner_id, ToolCall.Via.CHAT, run=self.run.pk)

    @property
    def use(self) -> ModelUse:
        """The model that is asked now."""
        return self.uses[0]

    async def update(self, *events: Event, **fields: Any) -> None:
        """Change fields of the run's row, and tell of it; raises `LostLease`."""

        def change() -> None:
            Run.objects.filter(pk=self.run.pk).update(**fields)

        await self.events.commit(change, *events)

    def find(self, name: str) -> OfferedTool | None:
        """The tool of this name: as it is now, else as it was when the model was told of it."""
        return self.toolset.tools.get(name) or self.tools.get(name)
