"""What the page of a conversation shows, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentopia.lib.errors import AgentopiaError
from agents.models import Agent
from chat.models import Conversation, Run
from chat.pages.gathering import newest_turns, past_turns
from chat.pages.turns import Turn
from chat.providers.choosing import models_for
from chat.selectors import said_in


@dataclass(frozen=True)
class Head:
    """A run, as far as the page's outline needs it; ``seq`` is the number of its last event while it goes on."""

    id: UUID
    is_ended: bool


def heads_of(conversation: Conversation, since: int = 0) -> list[tuple[int, Head]]:
    """The runs of a conversation from a number on, with their numbers."""
    rows = said_in(conversation).filter(number__gte=since).values_list("number", "pk", "status")
    return [(number, Head(pk, status in Run.ENDED)) for number, pk, status in rows]


def stamp_of(turns: Iterable[Turn]) -> str:
    """Tells what a page shows from what another would: which runs, which of them have ended, and how far the others are."""
    told = ",".join(f"{turn.run.pk}:{'' if turn.is_ended else turn.flow.seq}" for turn in turns)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def unfinished_of(conversation: Conversation) -> Run | None:
    """The run that goes on, or waits; there is at most one."""
    return said_in(conversation).exclude(status__in=Run.ENDED).order_by("-number").first()


def page_of(conversation: Conversation, before: int | None = None) -> dict[str, Any]:
    """The newest turns, or those before a number, and what one may do."""
    shown = newest_turns(conversation, before)
    return {
        "conversation": conversation,
        "turns": shown.turns,
        "has_earlier": shown.has_earlier,
        "stamp": stamp_of(shown.turns),
        **writing_of(conversation),
    }


def past_of(conversation: Conversation, version: UUID, before: int | None = None) -> dict[str, Any]:
    """What the conversation was with an earlier version of a message: to be read alone. Raises `NotFound`."""
    shown = past_turns(conversation, version, before)
    return {
        "conversation": conversation,
        "turns": shown.turns,
        "has_earlier": shown.has_earlier,
        "following": shown.following,
        "version": version,
    }


def writing_of(conversation: Conversation) -> dict[str, Any]:
    """Whether one may write, and with which model that would go; else why not."""
    running = unfinished_of(conversation)
    return {"conversation": conversation, "running": running, **readiness_of(conversation.agent)}


def readiness_of(agent: Agent | None) -> dict[str, Any]:
    """``model`` is the name of the one that would answer; ``trouble`` is why none would."""
    return {"agent": agent, **_readiness(agent)}


def _readiness(agent: Agent | None) -> dict[str, str]:
    if agent is None:
        return {
            "model": "",
            "trouble": "Its agent was deleted: you can read this conversation, and not go on with it.",
            "trouble_code": "no_agent",
        }
    if not agent.enabled:
        return {"model": "", "trouble": f"“{agent.name}” is switched off.", "trouble_code": "switched_off"}
    try:
        uses = models_for(agent)
    except AgentopiaError as error:
        return {"model": "", "trouble": error.message, "trouble_code": error.code}
    return {"model": uses[0].model, "provider": uses[0].provider.name, "trouble": "", "trouble_code": ""}
