"""The calls of one round, side by side."""

from __future__ import annotations

import asyncio

from pydantic_ai.messages import ModelResponse

from chat.running import steps
from chat.running.calling import OneCall
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.ends import Parks
from chat.running.keeping import calls_of, rounds_of
from chat.running.told import Answer

AT_ONCE = 8
"""Of one round; more wait, so that one answer of a model cannot swamp a toolbox."""


async def act(doing: Doing, response: ModelResponse) -> dict[str, Answer]:
    """Make the calls that the model asked for last, as far as that was not done yet; returns what it is told of each, by its id.

    All that can be made are made and saved before `Parks` is raised, where some wait for approval, or `Ends`, where they go in circles.
    """
    calls = calls_of(response)
    known = await in_database(steps.of_round, doing.run, rounds_of(doing.messages))
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(call: OneCall) -> Answer | None:
        async with turns:
            return await call.perform()

    tasks = {part.tool_call_id: asyncio.create_task(one(OneCall(doing, known[part.tool_call_id], part))) for part in calls}
    try:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        answers = {call_id: task.result() for call_id, task in tasks.items() if task.done() and not task.cancelled()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    if doing.must_end is not None:
        raise doing.must_end
    if any(answer is None for answer in answers.values()):
        raise Parks
    return {call_id: answer for call_id, answer in answers.items() if answer is not None}
