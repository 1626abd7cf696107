"""What the command palette finds of agents."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from accounts.models import User
from agentopia.lib.palette import Found, best
from agents.selectors import agents_for

RECENT = 3


def found_agents(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """The user's agents; without words, those that were changed last."""
    agents = agents_for(user).only("name", "slug")
    rows = best(agents, words, limit, "name", "slug") if words else list(agents.order_by("-updated_at")[: min(limit, RECENT)])
    return [Found("Agent", row.name, f"/mcp/{row.slug}", reverse("agents:detail", args=(row.pk,)), "bot") for row in rows]
