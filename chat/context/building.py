"""What a model is given for a run: instructions, what was said before, the message, the tools; as much as its window has room for.

The window holds what goes in and what comes out, and in the course of a run the results of tools besides: a share is kept for those. Of
the rest the instructions come first, then the message, then the tools, and what was said before has what these leave.
"""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.utils import timezone
from pydantic_ai.messages import ModelMessage, UserContent

from agents.toolsets.types import OfferedTool, Toolset
from chat.context.choosing import chosen
from chat.context.history import Earlier
from chat.context.marking import EXPLAINED
from chat.context.media import Takes
from chat.context.own_tools import OwnTool
from chat.context.prompting import prompt_of
from chat.context.shortening import shortened_text
from chat.context.tokens import of_text
from chat.models import Attachment, Run
from mcp_registry.models import McpServer

KEPT_SHARE, KEPT_LEAST, KEPT_MOST = 0.4, 1_000, 40_000
"""Of the window, for answers and results of tools."""
INSTRUCTIONS_SHARE, PROMPT_SHARE = 0.4, 0.7
"""The most that each may have of what those before it left."""
HISTORY_SHARE = 0.4
"""What was said before has so much of the rest, if it needs it. The tools have what is left; history, what they leave."""
USED_OF_RUNS = 3
MOST_RUNS = 50
"""Earlier runs that are looked at; what is older is in the summary, or left out."""

INTRODUCTION = "You are “{name}”, an assistant that works for its user with the tools it is given. Today is {today} (UTC)."
RULES = (
    "Use tools where they help, several at once where they do not depend on each other. Say that something was done only when a tool"
    " said so. Where a call fails, read why, and put it right or say what stands in the way. Ask the user only for what you cannot find"
    " out. Answer in the user's language, in Markdown."
)


@dataclass(frozen=True)
class Given:
    """``own_tools`` are Agentopia's (`chat.context.own_tools`), ``told`` is what is kept of this with the run (`Run.context`)."""

    instructions: str
    history: list[ModelMessage]
    prompt: list[UserContent]
    tools: list[OfferedTool]
    own_tools: list[OwnTool]
    told: dict[str, Any]


@dataclass(frozen=True)
class _Sources:
    instructions: str
    agent: str
    text: str
    earlier: Earlier
    attachments: list[Attachment]
    servers: dict[str, str]
    used: list[str]


async def build(run: Run, toolset: Toolset, window: int, takes: Takes | None = None) -> Given:
    """For a window of so many tokens; ``takes`` says what beside text the model takes."""
    sources = await database_sync_to_async(_read)(run.pk)
    left_out: list[str] = []
    room = max(0, window - kept_of(window))
    instructions = _instructions(sources, int(room * INSTRUCTIONS_SHARE), left_out)
    of_instructions = of_text(instructions)
    room = max(0, room - of_instructions)
    prompt = prompt_of(sources.text, sources.attachments, int(room * PROMPT_SHARE), takes or Takes(), sources.servers)
    room = max(0, room - prompt.tokens)
    earlier = sources.earlier
    wish = await to_thread(earlier.within, int(room * HISTORY_SHARE))
    before = earlier.runs[-1].text if earlier.runs else ""
    tools = await chosen(toolset, sources.text, before, sources.used, room - wish.tokens)
    history = await to_thread(earlier.within, room - tools.tokens)
    if history.left_out:
        left_out.append(f"The first {history.left_out:,} messages of this conversation: there is no room for them, nor a summary yet.")
    told = {
        "mode": toolset.tool_mode,
        "window": window,
        "tokens": {"instructions": of_instructions, "history": history.tokens, "prompt": prompt.tokens, "tools": tools.tokens},
        "history": {"runs": history.runs, "in_short": history.in_short, "summarised_to": history.summarised_to},
        "tools": tools.told(),
        "own_tools": [tool.name for tool in tools.own],
        "attachments": prompt.attachments,
        "left_out": [*left_out, *prompt.left_out, *tools.left_out],
    }
    return Given(instructions, history.messages, prompt.content, tools.tools, tools.own, told)


def kept_of(window: int) -> int:
    """The tokens of a window that are kept for what comes in the course of a run."""
    return min(window, max(KEPT_LEAST, min(KEPT_MOST, int(window * KEPT_SHARE))))


def _instructions(sources: _Sources, room: int, left_out: list[str]) -> str:
    opening = INTRODUCTION.format(name=sources.agent, today=timezone.now().strftime("%A, %d %B %Y"))
    fixed = f"{opening}\n\n{RULES}\n\n{EXPLAINED}"
    own = sources.instructions.strip()
    if own:
        short = shortened_text(own, max(100, room - of_text(fixed)))
        if short != own:
            left_out.append("A part of the agent's instructions: they are too long for this model.")
        own = short
    return "\n\n".join(part for part in (opening, own, RULES, EXPLAINED) if part)


def _read(run_id: UUID) -> _Sources:
    run = Run.objects.select_related("conversation__agent").get(pk=run_id)
    conversation = run.conversation
    before_this = conversation.runs.filter(number__lt=run.number, is_superseded=False, status__in=Run.ENDED)
    earlier = list(before_this.order_by("-number")[:MOST_RUNS])[::-1]
    older = before_this.filter(number__lt=earlier[0].number).values_list("number", flat=True) if earlier else []
    attachments = list(run.attachments.all())
    servers = McpServer.objects.filter(pk__in=[each.server_id for each in attachments if each.server_id])
    used: list[str] = []
    for before in reversed(earlier[-USED_OF_RUNS:]):
        used += list(before.steps.filter(status="succeeded").order_by("-number").values_list("name", flat=True))
    return _Sources(
        instructions=conversation.agent.instructions if conversation.agent else "",
        agent=conversation.agent_name,
        text=run.text,
        earlier=Earlier(earlier, list(older), conversation.summary, conversation.summarised_to),
        attachments=attachments,
        servers={str(server.pk): server.name for server in servers},
        used=list(dict.fromkeys(used)),
    )
