"""What the page of one tool of an agent shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from agents.models import GrantedTool
from agents.naming import exposed_names
from agents.pages.agent import head
from agents.pages.definitions import example_rules, shown_tool
from agents.pages.held import names_elsewhere
from agents.pages.server import grant_or_refusal
from agents.pages.tool_list import GrantedServer, ToolRow
from agents.pinning.inspection import inspect
from agents.toolsets.types import Hold
from mcp_registry.selectors import server_for, tool_of
from mcp_registry.status import status_of

HOLD_WORDS = {
    Hold.NEW: "Nobody has approved it for this agent yet.",
    Hold.CHANGED: "The server changed it since it was approved.",
    Hold.REFUSED: "You refused its present definition.",
}


def tool(user: User, agent_id: UUID, server_id: UUID, name: str) -> dict[str, Any]:
    """A tool of a server that the agent is connected to; raises `NotFound`."""
    context = head(user, agent_id)
    found = server_for(user, server_id)
    grant = grant_or_refusal(context["agent"], found)
    offered = tool_of(found, name)
    granted = GrantedTool.objects.filter(grant=grant, name=name).first()
    row = ToolRow(offered, granted, GrantedServer(grant, status_of(found)))
    return {
        **context,
        "server": found,
        "grant": grant,
        "row": row,
        "is_chosen": grant.tools is None or name in grant.tools,
        "hold_words": HOLD_WORDS.get(row.hold, "") if row.hold else "",
        "shown": shown_tool(offered),
        "findings": inspect(offered.definition, *names_elsewhere(context["agent"], [found.pk])[found.pk]),
        "example": example_rules(offered),
        "offered_as": exposed_names([(found.name, name)])[found.name, name],
    }
