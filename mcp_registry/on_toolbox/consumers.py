"""The WebSocket of a toolbox's list of servers."""

from __future__ import annotations

from typing import Any

from mcp_registry.on_toolbox import pages as toolbox_pages
from toolboxes.consumers import ToolboxPage


class ServersOfToolboxPage(ToolboxPage):
    """The page of it that the query string names, and the containers that nobody owns."""

    parts = (*ToolboxPage.parts, "servers.html#rows", "servers.html#orphans")

    def context(self) -> dict[str, Any]:
        return toolbox_pages.servers(self.user, self.kwargs["toolbox_id"], self.query.get("page"))
