"""An agent's tools for a request in words: what the chat, the gateway and the pages ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from agents.models import Agent
from agents.selection.feedback import Served, served_before
from agents.selection.index import Order
from agents.selection.memory import Kept, index_of
from agents.selection.texts import places_of, stem, words
from agents.toolsets.cache import in_thread
from agents.toolsets.types import OfferedTool, Toolset

MOST_WORDS_TOLD = 4
CLOSE = 0.6
LONGEST_QUOTED = 80


@dataclass(frozen=True, slots=True)
class Ranked:
    """A tool with its score, which compares those of one request: the first one has 1. ``why`` has the reasons in words, the best first."""

    tool: OfferedTool
    score: float
    why: list[str]


async def rank(toolset: Toolset, request: str, limit: int) -> list[Ranked]:
    """The best ``limit`` tools for the request. Tools that were not read yet, or all where no model is installed, go by words alone."""
    if not toolset.tools or limit < 1:
        return []
    return await in_thread(_ranked, toolset, request, limit)


async def chosen_for(toolset: Toolset, request: str) -> list[OfferedTool]:
    """What the model is given for a request, as the agent's mode says: all; the pinned ones and the best; or the pinned ones alone."""
    tools = list(toolset.tools.values())
    if toolset.tool_mode == Agent.ToolMode.ALL:
        return tools
    pinned = [tool for tool in tools if tool.pinned]
    if toolset.tool_mode == Agent.ToolMode.SEARCH:
        return pinned
    best = await rank(toolset, request, toolset.top_k + len(pinned))
    return pinned + [each.tool for each in best if not each.tool.pinned][: toolset.top_k]


def _ranked(toolset: Toolset, request: str, limit: int) -> list[Ranked]:
    kept = index_of(toolset)
    tools = list(toolset.tools.values())
    served = served_before(toolset.agent_id, request)
    bonus = None
    if served:
        of_tools = (served.get((tool.server.id, tool.tool_name)) for tool in tools)
        bonus = np.fromiter((of.bonus if of else 0.0 for of in of_tools), np.float32, len(tools))
    order = kept.index.order(request, limit, bonus)
    return [
        Ranked(tools[place], round(float(score), 4), _why(tools[place], int(place), rank, order, kept, served))
        for rank, (place, score) in enumerate(zip(order.documents, order.scores, strict=True))
    ]


def _why(tool: OfferedTool, place: int, rank: int, order: Order, kept: Kept, served: Mapping[tuple[UUID, str], Served]) -> list[str]:
    clause = order.clauses[order.clause_of[rank]]
    reasons = _words_in_common(tool, place, clause, kept)
    meaning = kept.index.meaning
    if meaning is None:
        reasons.append("Found by its words alone: no tool's meaning is known yet.")
    elif meaning.missing[place]:
        reasons.append("Found by its words alone: its meaning is not known yet.")
    elif order.by_meaning[rank] >= CLOSE:
        reasons.append(f"Close in meaning to “{_cut(clause)}”.")
    if (before := served.get((tool.server.id, tool.tool_name))) is not None:
        reasons.append(f"It served “{_cut(before.request)}” before.")
    return reasons or ["Less far from the request than the others."]


def _words_in_common(tool: OfferedTool, place: int, clause: str, kept: Kept) -> list[str]:
    """One reason for each place of the tool that has words of the clause, those that count most first."""
    asked = {stem(word): word for word in words(clause)}
    weighed = sorted(((kept.index.lexical.impact(term, place), term) for term in asked), reverse=True)[:MOST_WORDS_TOLD]
    found: dict[str, list[str]] = {}
    places = {where: {stem(word) for word in words(text)} for where, text in places_of(tool.server.name, tool.definition).items()}
    for impact, term in weighed:
        where = next((where for where in ("name", "description", "server", *places) if term in places[where]), None)
        if impact > 0 and where is not None:
            found.setdefault(where, []).append(f"“{asked[term]}”")
    return [f"{', '.join(told)} in its {'server’s name' if where == 'server' else where}." for where, told in found.items()]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTED else f"{text[: LONGEST_QUOTED - 1]}…"
