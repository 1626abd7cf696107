"""How a tool call of a run ends: what stands in its step, what pages hear, and what the model is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic_ai.messages import ToolCallPart

from agents.calling.errors import CallFailed, Refused
from agents.models import Approval, ToolCall
from agents.receipts import Masker
from agents.selection.feedback import note_use
from agents.toolsets.types import OfferedTool
from chat.models import Step
from chat.running import loops, steps, told
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.ends import Ends
from chat.running.own import answer_own
from chat.running.patience import Next
from chat.running.patience import told as sentence
from chat.running.recovering import Found
from chat.running.told import Answer

Status = Step.Status
LARGEST_RESULT = 2 * 1024 * 1024
NOT_ALLOWED = 403


@dataclass
class Closing:
    """Of one call. ``notes`` are told to the model with whatever came of it."""

    doing: Doing
    step: Step
    part: ToolCallPart
    notes: list[str] = field(default_factory=list)

    async def answered(self, tool: OfferedTool, result: dict[str, Any]) -> Answer:
        """The toolbox gave a result, which may say that the tool failed."""
        step = self.step
        masked = Masker(tool.server.secrets).arguments(result, None, whole=True)
        told_result = json.loads(masked)  # a server's secrets are for nobody: not for the model, nor for what is kept of the run
        receipt = await in_database(steps.receipt_of, step.receipt_id)
        step.result = told_result if len(masked) <= LARGEST_RESULT or receipt is None else receipt.result
        if receipt is not None and await in_database(_was_edited, step):
            step.arguments = receipt.arguments
            self.notes.append(f"(The owner changed the arguments before approving the call: {json.dumps(step.arguments)[:2000]})")
        if result.get("isError"):
            steps.end(step, Status.FAILED, "tool_error", _first_text(step.result) or "The tool reports an error.")
        else:
            steps.end(step, Status.SUCCEEDED)
            await in_database(note_use, self.doing.agent.pk, tool.server.id, tool.tool_name, self.doing.run.text[:2000])
        warning = self._count()
        answer = told.result(step, told_result, *self.notes, warning, tokens=self.doing.result_tokens)
        await self._save(receipt)
        return answer

    async def not_made(self, error: CallFailed, next_: Next, tool: OfferedTool) -> Answer:
        """There is no result, and the call is not made again."""
        status = Status.INTERRUPTED if next_ is Next.UNKNOWN else Status.FAILED
        if isinstance(error, Refused) and error.http_status == NOT_ALLOWED:
            status = Status.REFUSED
        advice = told.schema_of(tool) if error.code in ("invalid_arguments", "arguments_not_allowed") else ""
        return await self.ended(status, error.code, sentence(error, next_, tool), advice)

    async def failed(self, code: str, message: str, advice: str = "") -> Answer:
        """It cannot be made as the model wants it."""
        return await self.ended(Status.FAILED, code, message, advice)

    async def ended(self, status: Step.Status, code: str, message: str, advice: str = "") -> Answer:
        """It ends without a result."""
        steps.end(self.step, status, code, message)
        warning = self._count()
        await self._save(await in_database(steps.receipt_of, self.step.receipt_id))
        return told.failure(self.step, advice, *self.notes, warning)

    async def recovered(self, found: Found | ToolCall) -> Answer:
        """The worker that made this call died: its receipt says what came of it, as far as anybody knows."""
        step = self.step
        if isinstance(found, ToolCall) and found.result is not None:
            step.result = found.result
            failed = found.status == ToolCall.Status.TOOL_ERROR
            steps.end(
                step, Status.FAILED if failed else Status.SUCCEEDED, "tool_error" if failed else "", _first_text(found.result) * failed
            )
            answer = told.result(step, found.result, tokens=self.doing.result_tokens)
            await self._save(found)
            return answer
        if isinstance(found, ToolCall):
            return await self.failed(found.error_code, found.error_message)
        message = "The worker was interrupted in the middle of this call: nobody knows whether it had its effect."
        self.doing.events.add("notice", code="interrupted", text=f"{message} The call of “{step.name}” is not made again by itself.")
        return await self.ended(Status.INTERRUPTED, "interrupted", message, "Find out what it did before you call it again.")

    async def own(self, name: str, arguments: Any) -> Answer:
        """One of Agentopia's own tools: it is answered here."""
        steps.describe(self.step, None, arguments)
        result = await answer_own(self.doing, name, arguments)
        self.step.result = result
        if result.get("isError"):
            steps.end(self.step, Status.FAILED, "tool_error", _first_text(result))
        else:
            steps.end(self.step, Status.SUCCEEDED)
        warning = self._count()
        await self._save(None)
        return told.own(result, warning)

    def _count(self) -> str:
        """Note how it ended; returns what the model is told where that happened before."""
        times, too_often = self.doing.repeats.count(self.part.tool_name, self.part.args, self.step)
        if too_often:
            text = f"The run was ended, since the agent made the same call of “{self.step.name}” {times} times with the same outcome."
            self.doing.must_end = Ends("loop", text)
        warning = loops.warning(self.step, times)
        if warning:
            self.doing.events.add("notice", code="loop", text=f"The same call of “{self.step.name}” came out the same {times} times.")
        return warning

    async def _save(self, receipt: ToolCall | None) -> None:
        await self.doing.events.commit(partial(steps.save, self.step), steps.ended(self.step, receipt))


def _was_edited(step: Step) -> bool:
    return step.approval_id is not None and Approval.objects.filter(pk=step.approval_id, was_edited=True).exists()


def _first_text(result: Any) -> str:
    content = result.get("content") if isinstance(result, dict) else None
    for part in content if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            return " ".join(text.split())[:500]
    return ""
