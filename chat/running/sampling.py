"""What servers ask of the agent's model in the course of a run (MCP sampling): answered within limits, and counted to the run."""

from __future__ import annotations

from functools import partial
from typing import Any

from chat.context.sampling import Sampler
from chat.providers.models import model_of
from chat.providers.windows import window_of
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.ends import Ends
from chat.running.using import book, counted


async def sampled(doing: Doing, params: dict[str, Any]) -> dict[str, Any]:
    """The MCP ``CreateMessageResult``. Raises `AgentopiaError` in words for the server."""
    try:
        doing.budget.check(doing.run)
    except Ends as reached:
        raise reached.as_error() from reached
    if doing.sampler is None:
        doing.sampler = Sampler(await in_database(window_of, doing.use))
    use = doing.use
    answer = await doing.sampler.answer(params, model_of(use), use.model)
    used = counted(doing.run, use, answer.usage)
    await doing.events.commit(partial(book, used), ("usage", {**used.told, "asked_by": "server"}))
    return answer.result
