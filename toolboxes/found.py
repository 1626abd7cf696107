"""What the command palette finds of toolboxes."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from accounts.models import User
from agentopia.lib.palette import Found, best
from toolboxes.selectors import toolboxes_for


def found_toolboxes(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """The user's toolboxes."""
    if not words:
        return []
    rows = best(toolboxes_for(user).only("name", "provider"), words, limit, "name")
    return [Found("Toolbox", row.name, row.get_provider_display(), reverse("toolboxes:detail", args=(row.pk,)), "toolbox") for row in rows]
