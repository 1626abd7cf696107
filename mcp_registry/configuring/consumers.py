"""The WebSockets of the pages about a server's configuration."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from django.template.loader import render_to_string

from mcp_registry import selectors
from mcp_registry.configuring import pages as settings_pages
from mcp_registry.consumers import OwnerPage, ServerPage


class ServerDecisionPage(ServerPage):
    """A page on which something of a server is decided: its heading alone is kept up to date."""

    parts = ("server_page.html#header", "server_page.html#said")


class ServerSettingsPage(ServerDecisionPage):
    """A server's settings: what somebody else changed since the page was made is told, and nothing that is typed is touched."""

    def fragments(self) -> list[str]:
        query: dict[str, Any] = parse_qs(self.scope["query_string"].decode())
        base = query.get("base", [""])[-1]
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        context = settings_pages.meanwhile(server, int(base) if base.isdecimal() else server.generation)
        return [*super().fragments(), render_to_string("mcp_registry/settings.html#meanwhile", {"server": server, **context})]


class KeptPage(OwnerPage):
    """What is kept of deleted servers."""

    def fragments(self) -> list[str]:
        return [render_to_string("mcp_registry/kept.html#rows", settings_pages.kept(self.user))]
