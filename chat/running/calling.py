"""One tool call of a run, from what the model asked for to what it is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from django.utils import timezone
from pydantic_ai.messages import ToolCallPart

from agentopia.lib.errors import InvalidInput
from agents.calling.admission import wants_person
from agents.calling.errors import ApprovalPending, CallFailed, Refused
from agents.calling.own import AgentOutcome, call_as_agent
from agents.calling.types import Waits
from agents.toolsets.types import OfferedTool
from chat.models import Step
from chat.running import steps, told
from chat.running.approving import decision_on
from chat.running.arguments import parsed, usable
from chat.running.closing import Closing
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.own import OWN, inner_call
from chat.running.patience import Next, Patience, is_repeatable
from chat.running.questions import asker_for
from chat.running.recovering import Found, find_out
from chat.running.told import Answer

Status = Step.Status
PROGRESS_SECONDS = 0.1


@dataclass
class OneCall:
    """``perform`` returns what the model is told, or None where the call waits for approval."""

    doing: Doing
    step: Step
    part: ToolCallPart
    closing: Closing = field(init=False)
    _told_at: float = 0.0
    _edited: dict[str, Any] | None = None
    """The arguments that the owner approved in place of the model's."""

    def __post_init__(self) -> None:
        self.closing = Closing(self.doing, self.step, self.part)

    async def perform(self) -> Answer | None:
        """Go on with it from where its step stands. Where the same call went wrong too often, the run must end (`Doing.must_end`)."""
        step = self.step
        if step.status in Step.ENDED:
            self.doing.repeats.count(self.part.tool_name, self.part.args, step)
            return told.again(step, self.doing.result_tokens)
        if step.status == Status.APPROVAL:
            decision = await in_database(decision_on, step)
            if decision.waits:
                return None
            if decision.refusal:
                return await self.closing.ended(Status.REFUSED, decision.code, decision.refusal)
            self._edited = decision.edited
        if step.status == Status.RUNNING:  # when the worker died that had this run before
            found = await in_database(find_out, step, is_repeatable(self.doing.find(step.name)))
            if found is not Found.MAKE:
                return await self.closing.recovered(found)
        return await self._begin()

    async def _begin(self) -> Answer | None:
        name, arguments = self.part.tool_name, parsed(self.part.args)
        if name in OWN and name not in self.doing.toolset.tools:
            try:
                inner = inner_call(name, arguments)
            except InvalidInput as error:
                return await self.closing.failed(error.code, error.message)
            if inner is None:
                return await self.closing.own(name, arguments)
            name, arguments = inner
        tool = self.doing.find(name)
        if tool is None:
            known = [*self.doing.tools, *self.doing.own]
            return await self.closing.failed("tool_not_found", f"There is no tool “{name[:200]}”.", told.near(name, known))
        try:
            fitting = await usable(self.doing.agent.pk, tool, arguments)
        except InvalidInput as error:
            steps.describe(self.step, tool, arguments)
            return await self.closing.failed(error.code, error.message, told.schema_of(tool))
        if fitting.notes:
            self._repaired(tool, fitting.arguments, fitting.notes)
        return await self._make(name, tool, fitting.arguments)

    def _repaired(self, tool: OfferedTool, arguments: dict[str, Any], notes: list[str]) -> None:
        """From here on these are the arguments: the model sees them as its own, so that a later attempt has the same."""
        if self.part.tool_name == tool.name:
            self.part.args = arguments
        changed = "; ".join(notes)
        self.closing.notes.append(f"(Your arguments did not fit and were changed before the call: {changed}.)")
        self.doing.events.add("notice", code="arguments_repaired", text=f"Arguments of “{tool.name}” were put right: {changed}.")

    async def _make(self, name: str, tool: OfferedTool, arguments: dict[str, Any]) -> Answer | None:
        doing, step, patience = self.doing, self.step, Patience(self.doing, name)
        for tries in count(1):
            now = doing.find(name) or tool
            if now.digest != tool.digest:
                return await self._begin()  # the arguments are looked at anew
            await self._running(now, arguments)
            try:
                outcome = await self._call(now, arguments)
            except ApprovalPending as pending:
                await self._waits(pending)
                return None
            except CallFailed as error:
                step.receipt_id = error.receipt_id
                next_ = await patience.after(error, tries)
                if next_ is not Next.AGAIN:
                    return await self.closing.not_made(error, next_, doing.find(name) or tool)
                if not isinstance(error, Refused):
                    step.approval_id = self._edited = None  # it was for one call, and that was made
            else:
                step.receipt_id = outcome.receipt_id
                return await self.closing.answered(now, outcome.result)
        raise AssertionError

    async def _call(self, tool: OfferedTool, arguments: dict[str, Any]) -> AgentOutcome:
        doing, step = self.doing, self.step
        if self._edited is not None and not wants_person(tool):
            arguments = self._edited  # nobody would be asked any more, and so nobody would look at what was decided
        return await call_as_agent(
            caller=doing.caller,
            agent_id=doing.agent.pk,
            name=tool.name,
            arguments=arguments,
            waits=Waits.ELSEWHERE,
            on_progress=self._progress,
            on_question=asker_for(doing, step),
            session=doing.run.conversation_id,
            approval=step.approval_id,
            receipt_id=step.receipt_id,
        )

    async def _running(self, tool: OfferedTool, arguments: dict[str, Any]) -> None:
        step = self.step
        step.tries += 1
        if step.approval_id is None:
            step.receipt_id = uuid4()  # known before the call is made: by it, what became of the call can be found out
        steps.describe(step, tool, arguments)
        step.status, step.started_at = Status.RUNNING, step.started_at or timezone.now()
        which = {"server": step.server_name, "tool": step.tool_name}  # not known before, where the model uses `call_tool`
        about = {"step": str(step.pk), "receipt": str(step.receipt_id), **which}
        await self.doing.events.commit(partial(steps.save, step), ("tool.running", about))

    async def _progress(self, progress: float, total: float | None, message: str) -> None:
        self.step.progress = {"progress": progress, "total": total, "message": message}
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_SECONDS or (total is not None and progress >= total):
            self._told_at = now
            self.doing.events.add("tool.progress", step=str(self.step.pk), **self.step.progress)

    async def _waits(self, pending: ApprovalPending) -> None:
        step = self.step
        step.status, step.receipt_id, step.approval_id = Status.APPROVAL, pending.receipt_id, pending.approval_id
        about = {"step": str(step.pk), "approval": str(step.approval_id), "expires_at": pending.expires_at.isoformat()}
        await self.doing.events.commit(partial(steps.save, step), ("tool.approval", about))
