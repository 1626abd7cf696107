"""One run from its claim to where the work on it leaves off, whatever happens."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import DatabaseError, InterfaceError

from agentopia.lib.errors import AgentopiaError
from agents.toolsets.cache import toolset_of
from chat.models import Run
from chat.providers.choosing import models_for
from chat.running import ending
from chat.running.budgets import Budget
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.ends import Ends, Parks
from chat.running.events import LostLease, RunEvents
from chat.running.holding import Holder
from chat.running.keeping import loaded
from chat.running.remembering import remember
from chat.running.taking import MOST_ATTEMPTS, Taken
from chat.running.thinking import think

logger = logging.getLogger(__name__)

Status = Run.Status
AGAIN_SECONDS = 3.0
"""After the database was away, or something else that this process cannot tell anybody of."""
OVER_TIME = ("budget_time", "The run took longer than a run may, and was ended. What was done until then is kept.")


class Cut(StrEnum):
    """Why the work on a run is cancelled."""

    STOPPED = "its user stopped it"
    LOST = "another worker has it"
    LEAVING = "this process ends"
    LATE = "it took too long"


@dataclass(eq=False)
class Performance:
    """The work on one run that this process holds."""

    taken: Taken
    events: RunEvents
    holder: Holder
    doing: Doing | None = None
    cut: Cut | None = None
    task: asyncio.Task[str] | None = None
    budget: Budget = field(default_factory=Budget)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the engine once all of this is over."""

    @property
    def run(self) -> Run:
        return self.taken.run

    def cut_off(self, why: Cut) -> None:
        """Cancel the work, and with it the request to the model and the calls of tools that are open."""
        if self.cut is None and self.task is not None and not self.task.done():
            self.cut = why
            self.task.cancel()

    async def perform(self) -> None:
        """Do it. Nothing is raised: what goes wrong is the end of the run, or left to the next worker."""
        self.task = asyncio.create_task(self._work())
        self.holder.take(self.run, lambda: self.cut_off(Cut.LOST), lambda: self.cut_off(Cut.STOPPED))
        if self.run.cancel_requested_at is not None:
            self.cut_off(Cut.STOPPED)
        try:
            await self._finished()
            self.holder.let_go(self.run)
            await self._leave_off(self.task)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The run %s is given up for now: %s", self.run.pk, error)
            await self._give_back(AGAIN_SECONDS)
        except LostLease:
            logger.info("The run %s is another worker's, or gone.", self.run.pk)
        finally:
            self.holder.let_go(self.run)

    async def _finished(self) -> None:
        assert self.task is not None
        done, _ = await asyncio.wait({self.task}, timeout=self.budget.seconds_left())
        if not done:
            self.cut_off(Cut.LATE)
            await asyncio.wait({self.task})

    async def _work(self) -> str:
        run, taken = self.run, self.taken
        if run.attempts > MOST_ATTEMPTS:
            raise Ends("interrupted", "The run was interrupted too often, so it was ended. Ask again.")
        agent = run.conversation.agent
        if agent is None:
            raise Ends("agent_gone", "The agent of this conversation was deleted, so it cannot go on. Begin another one.")
        uses = await in_database(models_for, agent, with_keys=True)
        toolset = await toolset_of(agent.pk)
        self.doing = doing = Doing(
            run, agent, self.events, uses, toolset, loaded(run.messages), next_part=taken.next_part, budget=self.budget
        )
        for part in taken.shown:
            self.events.add("text.dropped", part=part)
        about: dict[str, Any] = {"attempt": run.attempts}
        if run.attempts == 1:
            self.events.add("run.started", **about, provider=doing.use.provider.name, model=doing.use.model)
        else:
            self.events.add("run.resumed", **about)
        return await think(doing)

    async def _leave_off(self, task: asyncio.Task[str]) -> None:
        if task.cancelled():
            await self._cut()
            return
        error = task.exception()
        if error is None:
            await self._end(Status.SUCCEEDED, answer=task.result())
            if self.doing is not None:
                await remember(self.doing)
        elif isinstance(error, Parks) and self.doing is not None:
            await ending.park(self.doing)
        elif isinstance(error, LostLease | DatabaseError | InterfaceError):
            raise error
        elif isinstance(error, Ends | AgentopiaError):
            await self._end(Status.FAILED, error.code, error.message)
        else:
            logger.error("The run %s failed in a way that nobody thought of.", self.run.pk, exc_info=error)
            await self._end(
                Status.FAILED, "internal_error", "Agentopia itself failed in this run. Ask again; its operator finds the reason in the log."
            )

    async def _cut(self) -> None:
        if self.cut is Cut.STOPPED:
            await self._end(Status.CANCELLED, *ending.STOPPED)
        elif self.cut is Cut.LATE:
            await self._end(Status.FAILED, *OVER_TIME)
        elif self.cut is Cut.LEAVING:
            await self._give_back(0)

    async def _end(self, status: Run.Status, code: str = "", message: str = "", *, answer: str = "") -> None:
        await ending.end(self.events, self.doing, status, answer, code, message)

    async def _give_back(self, seconds: float) -> None:
        try:
            await in_database(ending.hand_back, self.run, seconds)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The run %s waits for its lease to end: %s", self.run.pk, error)
