"""What the pages of toolboxes show, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from accounts.models import User
from toolboxes.selectors import toolboxes_for


def toolboxes(user: User) -> dict[str, Any]:
    """The list, each toolbox with whether it is silent and how many servers it holds."""
    rows = toolboxes_for(user).annotate(servers=Count("mcp_servers")).order_by("name")
    return {"rows": [(toolbox, toolbox.is_silent()) for toolbox in rows]}
