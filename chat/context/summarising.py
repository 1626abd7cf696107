"""Older turns of a conversation in a few words, by the agent's model. Where that fails the conversation goes on without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from channels.db import database_sync_to_async
from pydantic_ai import direct
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from agentopia.lib.errors import AgentopiaError
from chat.context.marking import EXPLAINED, marked
from chat.context.shortening import shortened_text
from chat.context.tokens import of_text
from chat.context.turns import tokens, turn_of
from chat.models import Conversation, Run

logger = logging.getLogger(__name__)

KEPT_TURNS = 3
"""The newest are never summarised."""
SHARE = 0.2
"""From so much of the window on, what is not summarised yet is."""
SUMMARY_TOKENS = 1_200
TURN_TOKENS = 1_200
MOST_RUNS = 100
SECONDS = 60.0
INSTRUCTIONS = (
    "You keep the memory of a conversation between a user and an assistant. Write a summary of it for the assistant, at most 400 words, in"
    " the language of the user: what the user wants and decided, what was done and with what result, names, paths, numbers and ids that may"
    f" be needed again, what is still open. Add nothing of your own. {EXPLAINED}"
)


@dataclass(frozen=True)
class Summarised:
    """``to`` is the number of the last run that the summary covers now. ``problem`` says why it is no further, where it should be."""

    to: int
    problem: str = ""
    usage: RequestUsage = field(default_factory=RequestUsage)


async def summarise(conversation: Conversation, model: Model, window: int) -> Summarised:
    """Bring the summary up to date, if there is much that it does not cover. It never raises for what the model does."""
    runs, summary, covered = await database_sync_to_async(_open_turns)(conversation.pk)
    older = runs[:-KEPT_TURNS]
    if not older or sum(tokens(turn_of(run, is_old=True)) for run in runs) < window * SHARE:
        return Summarised(covered)
    room = max(SUMMARY_TOKENS, window // 2)
    taken, text = _transcript(older, summary, room)
    try:
        async with asyncio.timeout(SECONDS):
            request = ModelRequest(parts=[UserPromptPart(text)], instructions=INSTRUCTIONS)
            response = await direct.model_request(model, [request], model_settings=ModelSettings(max_tokens=2 * SUMMARY_TOKENS))
    except (AgentRunError, UserError, AgentopiaError, OSError, TimeoutError) as error:
        logger.warning("A conversation could not be summarised: %s", type(error).__name__)
        return Summarised(covered, "The model did not answer.")
    made = (response.text or "").strip()
    if not made:
        return Summarised(covered, "The model said nothing.", response.usage)
    made = shortened_text(made, 2 * SUMMARY_TOKENS)
    if not await database_sync_to_async(_keep)(conversation.pk, covered, made, [run.pk for run in taken]):
        return Summarised(covered, "The conversation was changed meanwhile.", response.usage)
    return Summarised(taken[-1].number, usage=response.usage)


def _transcript(runs: Sequence[Run], summary: str, room: int) -> tuple[list[Run], str]:
    """As many of the turns, from the first on, as there is room for; and what is said of them."""
    parts = [f"The summary so far:\n{summary}"] if summary else []
    taken: list[Run] = []
    left = room - sum(map(of_text, parts))
    for run in runs:
        answer = run.answer or f"(not answered: {run.error_message or run.status})"
        text = f"User: {shortened_text(run.text, TURN_TOKENS)}\nAssistant: {shortened_text(answer, TURN_TOKENS)}"
        left -= of_text(text)
        if left < 0 and taken:
            break
        parts.append(text)
        taken.append(run)
    return taken, "Summarise this conversation.\n" + marked("\n\n".join(parts), "the conversation so far")


def _open_turns(conversation_id: UUID) -> tuple[list[Run], str, int]:
    """The turns that the summary does not cover, oldest first; the summary, and how far that goes."""
    conversation = Conversation.objects.get(pk=conversation_id)
    rows = conversation.runs.filter(is_superseded=False, status__in=Run.ENDED, number__gt=conversation.summarised_to)
    return list(rows.order_by("number")[:MOST_RUNS]), conversation.summary, conversation.summarised_to


def _keep(conversation_id: UUID, covered: int, summary: str, runs: Sequence[UUID]) -> bool:
    """False where somebody was faster, or a message that is in it was edited meanwhile."""
    if Run.objects.filter(pk__in=runs, is_superseded=False).count() != len(runs):
        return False
    last = Run.objects.filter(pk__in=runs).order_by("-number").values_list("number", flat=True)[0]
    rows = Conversation.objects.filter(pk=conversation_id, summarised_to=covered)
    return bool(rows.update(summary=summary, summarised_to=last))
