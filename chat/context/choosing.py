"""Which tools the model is given for a message, and why each."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.models import Agent
from agents.selection.ranking import rank
from agents.toolsets.types import OfferedTool, Toolset
from chat.context.own_tools import CALL_TOOL, FIND_TOOLS, READ_RESULT, OwnTool
from chat.context.tokens import of_tool

SHORT_WORDS = 12
"""A message of no more words, such as "and the other one", is ranked for together with the one before."""
MOST_USED = 10
SPARE = 20


@dataclass
class Chosen:
    """``own`` are Agentopia's, ``why`` has the reasons in words by the tools' names."""

    tools: list[OfferedTool] = field(default_factory=list)
    own: list[OwnTool] = field(default_factory=list)
    why: dict[str, list[str]] = field(default_factory=dict)
    tokens: int = 0
    left_out: list[str] = field(default_factory=list)

    def told(self) -> list[dict[str, Any]]:
        """For the page."""
        return [
            {"name": tool.name, "server": tool.server.name, "tool": tool.tool_name, "why": self.why[tool.name], "pinned": tool.pinned}
            for tool in self.tools
        ]


async def chosen(toolset: Toolset, message: str, before: str, used: Iterable[str], room: int) -> Chosen:
    """In so many tokens. ``before`` is the user's message before this one, ``used`` the tools that were called lately, the last first."""
    picked = Chosen(own=[READ_RESULT] if toolset.tools else [])
    request = f"{before}\n{message}" if before and len(message.split()) <= SHORT_WORDS else message
    wanted = await _wanted(toolset, request, [name for name in used if name in toolset.tools][:MOST_USED])
    whole = await to_thread(_tokens, toolset, wanted)
    fits_all = whole <= room
    given = wanted
    if not fits_all and toolset.tool_mode == Agent.ToolMode.ALL:
        given = await _by_rank(toolset, request, wanted, limit=SPARE + 2 * len(wanted) * room // whole)
    if len(wanted) < len(toolset.tools) or not fits_all:
        picked.own = [FIND_TOOLS, CALL_TOOL, *picked.own]
    picked.tokens = sum(tool.tokens for tool in picked.own)
    for name, why in given.items():
        needed = of_tool(toolset.tools[name])
        if picked.tokens + needed <= room:
            picked.tools.append(toolset.tools[name])
            picked.why[name] = why
            picked.tokens += needed
    missing = len(wanted) - len(picked.tools)
    if missing:
        told = f"{missing:,} of {len(wanted):,} tools: there is no room for their definitions in this model's window."
        picked.left_out.append(f"{told} The model can find them by {FIND_TOOLS.name}.")
    return picked


async def _wanted(toolset: Toolset, request: str, used: list[str]) -> dict[str, list[str]]:
    """The names in their order, with why, as the agent's mode says."""
    tools = toolset.tools
    if toolset.tool_mode == Agent.ToolMode.ALL:
        return {name: ["Pinned." if tool.pinned else "This agent is always given all of its tools."] for name, tool in tools.items()}
    found = {name: ["Pinned: always given."] for name, tool in tools.items() if tool.pinned}
    for name in used:
        found.setdefault(name, []).append("It was used in this conversation lately.")
    if toolset.tool_mode == Agent.ToolMode.SELECTED:
        ranked = await rank(toolset, request, toolset.top_k + len(found))
        others = [each for each in ranked if each.tool.name not in found][: toolset.top_k]
        found |= {each.tool.name: each.why for each in others}
    return found


def _tokens(toolset: Toolset, names: Iterable[str]) -> int:
    """Counted once for each definition: thousands of new ones take a second."""
    return sum(of_tool(toolset.tools[name]) for name in names)


async def _by_rank(toolset: Toolset, request: str, wanted: Mapping[str, list[str]], limit: int) -> dict[str, list[str]]:
    """Where not all fit: the pinned ones, then the best for the message, as many as may fit."""
    ranked = await rank(toolset, request, min(limit, len(toolset.tools)))
    found = {name: wanted[name] for name, tool in toolset.tools.items() if tool.pinned}
    for each in ranked:
        found.setdefault(each.tool.name, each.why)
    return found
