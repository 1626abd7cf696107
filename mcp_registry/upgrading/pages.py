"""The page of a server's versions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from mcp_registry import pages
from mcp_registry.models import McpServer
from mcp_registry.services.upgrades import plan_for
from mcp_registry.upgrading.offers import is_offered, word_on
from mcp_registry.upgrading.room import room_problem

VERSIONS = 50


def versions(user: User, server_id: UUID, version: str) -> dict[str, Any]:
    """The versions that there are, and what going to one of them would mean; the newest unless another is named.

    Raises `NotFound`. ``obstacle`` says why nothing can be chosen, ``no_room`` why it cannot be tried beside.
    """
    context = pages.server(user, server_id)
    server: McpServer = context["server"]
    entry = server.entry
    offered = entry is not None and is_offered(entry, server.owner_id)
    known = list(entry.versions.defer("manifest")[:VERSIONS]) if entry is not None and offered else []
    chosen = version or (entry.version if entry is not None else "")
    plan, obstacle = None, "" if offered else word_on(server)
    if not obstacle and chosen != server.version:
        try:
            plan = plan_for(server, chosen)
        except (Conflict, InvalidInput) as problem:
            obstacle = problem.message
    return {
        **context,
        "versions": known,
        "newest": entry.version if entry is not None else "",
        "chosen": chosen,
        "plan": plan,
        "obstacle": obstacle,
        "no_room": room_problem(server, plan, trial=True) if plan is not None else "",
    }
