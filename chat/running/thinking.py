"""The loop of a run over pydantic-ai's graph: the model is asked, its calls are made, it is asked again, until it answers.

The calls are made here and not by the graph (its tools are external ones, whose results it is given): a call may wait for approval for
hours, outlive this process, name a tool that does not exist, or share its id with another.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic_ai import Agent, DeferredToolRequests, ModelRetry
from pydantic_ai.agent import AgentRun
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelRequest, ModelResponse
from pydantic_ai.toolsets import ExternalToolset
from pydantic_ai.usage import UsageLimits
from pydantic_graph import End

from agentopia.lib.errors import AgentopiaError
from chat.context.building import Given, build
from chat.context.media import takes_of
from chat.context.results import tokens_for
from chat.providers.choosing import check_budget
from chat.providers.models import model_of
from chat.providers.waiting import patience_for
from chat.providers.windows import window_of
from chat.running import steps
from chat.running.acting import act
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.ends import Ends
from chat.running.events import Event
from chat.running.failures import ModelFailure, ModelSilent, failure_of
from chat.running.keeping import calls_of, rounds_of, stored
from chat.running.offering import definitions, offer, renew
from chat.running.promising import GO_ON, only_announces
from chat.running.streaming import Parts, alive
from chat.running.using import book, counted

MODEL_ERRORS = (AgentRunError, UserError, AgentopiaError, ModelSilent, httpx2.HTTPError, ValueError, OSError, TimeoutError)
GRACE_SECONDS = 5.0
"""The connection has its own limit, which says more of what happened."""
EMPTY_REPLIES = 2
"""So often a model that says nothing is asked again in the same conversation."""

type Graph = AgentRun[None, Any]


async def think(doing: Doing) -> str:
    """The answer of the run's model. Raises what is in `chat.running.ends`."""
    if (answer := _answered(doing)) is not None:
        return answer
    given = await _prepared(doing)
    failures = 0
    while True:
        asked = doing.run.requests
        try:
            return await _Talk(doing, given).go_on()
        except ModelFailure as failure:
            failures = 1 if doing.run.requests > asked else failures + 1
            pause = failure.pause(failures)
            if pause is None:
                given = await _next_model(doing, failure)
                failures = 0
                continue
            doing.events.add("model.retry", reason=failure.message, code=failure.code, seconds=pause, attempt=failures + 1)
            await asyncio.sleep(pause)


def _answered(doing: Doing) -> str | None:
    """The answer, where the worker that had the run before died after it was saved. An empty one is forgotten."""
    last = doing.messages[-1] if doing.messages else None
    if not isinstance(last, ModelResponse) or last.tool_calls:
        return None
    if last.text:
        return last.text
    doing.messages.pop()
    return None


async def _prepared(doing: Doing) -> Given:
    """What the model is given, once there is one whose budget allows it. Raises `Ends`."""
    owner = doing.run.conversation.owner
    while True:
        try:
            await in_database(check_budget, doing.use, owner)
        except AgentopiaError as error:
            if len(doing.uses) == 1:
                raise Ends(error.code, error.message) from error
            _switch(doing, error.message)
            continue
        window = await in_database(window_of, doing.use)
        doing.result_tokens = tokens_for(window)
        given = await build(doing.run, doing.toolset, window, takes_of(model_of(doing.use)))
        offer(doing, given)
        about = {"tools": [tool["name"] for tool in given.told["tools"]], "tokens": given.told["tokens"]}
        await doing.update(("context", about), context=given.told)
        return given


async def _next_model(doing: Doing, failure: ModelFailure) -> Given:
    """Go on with the agent's next model. Raises `Ends` where there is none, or it would not help."""
    if len(doing.uses) == 1 or not failure.switch:
        raise Ends(failure.code, failure.message) from failure
    _switch(doing, failure.message)
    return await _prepared(doing)


def _switch(doing: Doing, why: str) -> None:
    before = doing.uses.pop(0)
    doing.events.add("model.fallback", **{"from": str(before), "to": str(doing.use), "reason": why})


@dataclass
class _Talk:
    """One passage through the graph, from what was kept to the answer, or to a failure of the model."""

    doing: Doing
    given: Given

    async def go_on(self) -> str:
        doing, given = self.doing, self.given
        toolset: ExternalToolset[None] = ExternalToolset(definitions(doing))
        agent = Agent(
            model_of(doing.use),
            instructions=given.instructions or None,
            toolsets=[toolset],
            output_type=[str, DeferredToolRequests],
            retries={"output": EMPTY_REPLIES},
        )
        agent.output_validator(self._checked)
        prompt = None if doing.messages else given.prompt
        history = [*given.history, *doing.messages]
        async with agent.iter(prompt, message_history=history, usage_limits=UsageLimits(request_limit=None)) as graph:
            node: Any = graph.next_node
            while not isinstance(node, End):
                if Agent.is_model_request_node(node):
                    node = await self._asked(graph, node)
                elif Agent.is_call_tools_node(node):
                    node = await self._acted(graph, node)
                    await renew(doing)
                    toolset.tool_defs = definitions(doing)
                else:
                    node = await _stepped(graph, node)
            return str(node.data.output)

    def _checked(self, output: Any) -> Any:
        """What the model ends with, unless it only says that it will do something."""
        doing = self.doing
        if isinstance(output, str) and not doing.was_told_to_go_on and doing.tools and only_announces(output, doing.messages):
            doing.was_told_to_go_on = True
            doing.events.add("model.retry", reason="It said what it would do, and did not: it is told to.", code="model_announced",
                             seconds=0, attempt=2)  # fmt: skip
            raise ModelRetry(GO_ON)
        return output

    async def _asked(self, graph: Graph, node: Any) -> Any:
        """Ask the model; what it answers is saved, with steps for the calls that it wants."""
        doing = self.doing
        await self._allowed()
        parts = Parts(doing.events, doing.next_part)
        try:
            async with node.stream(graph.ctx) as stream:
                async for event in alive(aiter(stream), patience_for(doing.use.provider).first_word + GRACE_SECONDS):
                    parts.take(event)
            following = await graph.next(node)
        except MODEL_ERRORS as error:
            parts.drop()
            raise failure_of(error, doing.use.model) from error
        except asyncio.CancelledError:
            doing.cut_off = parts.close()
            raise
        finally:
            doing.next_part = parts.next
        parts.close()
        if doing.messages and isinstance(doing.messages[-1], ModelRequest):
            doing.messages.pop()  # it is what was sent now
        doing.messages.append(node.request)
        if Agent.is_call_tools_node(following):
            await self._keep(following.model_response)
        return following

    async def _allowed(self) -> None:
        """Raise what another request would be too much for."""
        doing, provider = self.doing, self.doing.use.provider
        doing.budget.check(doing.run)
        if provider.owner_id is None and provider.budget_usd is not None:  # the only ones that have one
            try:
                await in_database(check_budget, doing.use, doing.run.conversation.owner)
            except AgentopiaError as error:
                raise failure_of(error, doing.use.model) from error

    async def _keep(self, response: ModelResponse) -> None:
        doing = self.doing
        doing.messages.append(response)
        calls = [(part.tool_call_id, part.tool_name, part.args) for part in calls_of(response)]
        used = counted(doing.run, doing.use, response.usage)
        number, rows = rounds_of(doing.messages), stored(doing.messages)

        def change() -> list[Event]:
            book(used, messages=rows)
            made = steps.new_steps(doing.run, number, calls, doing.toolset.tools)
            for step in made:
                steps.save(step)
            return [steps.called(step, doing.toolset.tools.get(step.name)) for step in made]

        await doing.events.commit(change, ("usage", used.told))
        if response.finish_reason == "length":
            doing.events.add("notice", code="answer_cut", text="The model reached the limit of its answer's length, and was cut off there.")
        if not calls and not response.text:
            doing.events.add("model.retry", reason="It answered with nothing: it is asked again.", code="model_empty", seconds=0, attempt=2)

    async def _acted(self, graph: Graph, node: Any) -> Any:
        doing = self.doing
        if node.model_response.tool_calls:
            node.tool_call_results = await act(doing, node.model_response)
        following = await _stepped(graph, node)
        if Agent.is_model_request_node(following):
            doing.messages.append(following.request)
            await doing.update(messages=stored(doing.messages))
        return following


async def _stepped(graph: Graph, node: Any) -> Any:
    """The next node; what the graph has against the model's answer is the model's failure."""
    try:
        return await graph.next(node)
    except AgentRunError as error:
        raise failure_of(error, "model") from error
