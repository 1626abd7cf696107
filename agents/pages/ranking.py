"""An agent's tools for a request in words, as its page lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from asgiref.sync import async_to_sync

from agentopia.lib.errors import NotFound
from agents.models import Agent
from agents.pages.tool_list import GrantedServer, ToolQuery, ToolRow, asked_for, rows_of
from agents.selection.ranking import Ranked, rank
from agents.toolsets.cache import toolset_of

SHOWN = 20
RANKED = 500
"""So many are ranked where only some of them are shown."""


def ranked_rows(agent: Agent, servers: Sequence[GrantedServer], query: ToolQuery) -> list[ToolRow] | None:
    """The tools that suit the request best, the best first; None where none can be ranked: tools that are held back, or of an agent that is
    switched off.
    """
    if query.show == "held":
        return None
    try:
        found = async_to_sync(_ranked)(agent.pk, query.search, RANKED if query.server or query.show else SHOWN)
    except NotFound:
        return None
    by_tool = {(one.tool.server.id, one.tool.tool_name): one for one in found}
    names = {name for _, name in by_tool}
    tools = asked_for(agent, servers, query).filter(name__in=names)
    rows = [row for row in rows_of(agent, servers, tools) if (row.tool.server_id, row.tool.name) in by_tool]
    told = [_told(row, by_tool[row.tool.server_id, row.tool.name]) for row in rows]
    return sorted(told, key=lambda row: -(row.score or 0))[:SHOWN]


async def _ranked(agent_id: UUID, request: str, limit: int) -> list[Ranked]:
    return await rank(await toolset_of(agent_id), request, limit)


def _told(row: ToolRow, ranked: Ranked) -> ToolRow:
    return replace(row, score=ranked.score, why=ranked.why)
