"""What the command palette finds of the chat."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from accounts.models import User
from agentopia.lib.palette import Alike, Found, best
from agents.selectors import agents_for
from chat.selectors import conversations_for

RECENT = 3
SAID = frozenset({"new", "chat", "with", "talk", "to", "ask"})
"""Words that say what is wanted of an agent rather than which."""
ASKED = SAID - {"new", "with", "to"}


def found_conversations(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """The user's conversations by their titles; without words, the last ones."""
    rows = conversations_for(user).exclude(title="").order_by()
    found = best(rows, words, limit, "title") if words else list(rows.order_by("-updated_at")[: min(limit, RECENT)])
    return [Found("Chat", row.title, row.agent_name, reverse("chat:conversation", args=(row.pk,)), "message-square") for row in found]


def found_beginnings(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """A new conversation with each of the agents that are meant."""
    names = [word for word in words if word not in SAID]
    agents = agents_for(user).filter(enabled=True)
    if names:
        rows = best(agents, Alike(names) if isinstance(words, Alike) else names, limit, "name", "slug")
    else:
        rows = list(agents[:limit]) if ASKED.intersection(words) else []
    new = reverse("chat:new")
    return [Found("Action", f"New chat with {row.name}", "", f"{new}?agent={row.pk}", "square-pen") for row in rows]
