"""Which tools a client is told of. Where an agent has many, that is `find_tools` and `call_tool`, beside those that are pinned."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import DatabaseError

from agents.models import Agent
from agents.selection.feedback import note_use
from agents.selection.ranking import Ranked, rank
from agents.toolsets.types import OfferedTool, Toolset
from mcp_protocol.messages import INVALID_PARAMS, Message, ProtocolError, encode

FIND, CALL = "find_tools", "call_tool"
INSTRUCTIONS = (
    f"There are more tools than are listed. Describe what you need to {FIND}, then call what it finds by its name with {CALL}: "
    "arguments as its inputSchema says."
)
MOST, USUAL = 50, 10
_FIND: Message = {
    "name": FIND,
    "title": "Find tools",
    "description": "Finds tools for a task that is described in words: their names, what they do, and the schemas of their arguments.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What the tool shall do, in plain words."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        },
        "required": ["query"],
    },
    "annotations": {"readOnlyHint": True, "openWorldHint": False},
}
_CALL: Message = {
    "name": CALL,
    "title": "Call a tool",
    "description": f"Calls a tool that {FIND} has found.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The tool's name, as it was found."},
            "arguments": {"type": "object", "description": "Its arguments, as its inputSchema says."},
        },
        "required": ["name"],
    },
}

REMEMBERED, REMEMBERED_SECONDS = 10_000, 600.0

logger = logging.getLogger(__name__)

_asked: dict[Hashable, tuple[str, frozenset[str], float]] = {}
"""What was looked for last, by who looked."""
_listed: dict[UUID, tuple[Toolset, bytes]] = {}


def finds(toolset: Toolset) -> bool:
    """Whether the client finds tools by words."""
    return toolset.tool_mode != Agent.ToolMode.ALL


def listed(toolset: Toolset) -> bytes:
    """The JSON array of the tools that the client is told of."""
    if not finds(toolset):
        return toolset.listed
    known = _listed.get(toolset.agent_id)
    if known is None or known[0] is not toolset:
        if len(_listed) > 1000:
            _listed.clear()
        pinned = [{**tool.definition, "name": tool.name} for tool in toolset.tools.values() if tool.pinned]
        known = _listed[toolset.agent_id] = (toolset, encode([_FIND, _CALL, *pinned]))
    return known[1]


async def found(toolset: Toolset, arguments: Any, who: Hashable) -> Message:
    """The result of `find_tools`; raises `ProtocolError`. ``who`` is whoever asks, whose next call tells what served."""
    query = arguments.get("query") if isinstance(arguments, dict) else None
    limit = arguments.get("limit", USUAL) if isinstance(arguments, dict) else USUAL
    if not isinstance(query, str) or not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise ProtocolError(INVALID_PARAMS, f"query is a text, and limit a number from 1 to {MOST}.")
    ranked = await rank(toolset, query, limit)
    _remember(who, query, frozenset(each.tool.name for each in ranked))
    content = {"tools": [_shown(each) for each in ranked]}
    return {"content": [{"type": "text", "text": encode(content).decode()}], "structuredContent": content, "isError": False}


async def served(toolset: Toolset, tool: OfferedTool, who: Hashable) -> None:
    """A tool answered: if it was found by words, they are remembered for the agent."""
    query, names, moment = _asked.get(who, ("", frozenset(), 0.0))
    if tool.name in names and time.monotonic() - moment < REMEMBERED_SECONDS:
        try:
            await database_sync_to_async(note_use)(toolset.agent_id, tool.server.id, tool.tool_name, query)
        except DatabaseError as error:  # the call was answered all the same
            logger.warning("What a tool served was not remembered: %s", error)


def _remember(who: Hashable, query: str, names: frozenset[str]) -> None:
    _asked.pop(who, None)
    if len(_asked) >= REMEMBERED:
        del _asked[next(iter(_asked))]
    _asked[who] = (query, names, time.monotonic())


def _shown(ranked: Ranked) -> Message:
    tool = ranked.tool
    about = {name: tool.definition[name] for name in ("title", "description", "inputSchema", "annotations") if name in tool.definition}
    return {"name": tool.name, "server": tool.server.name, "score": ranked.score, "why": ranked.why, **about}
