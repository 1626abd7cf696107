"""What the command palette finds of servers, tools and the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Max
from django.urls import reverse

from accounts.models import User
from agentopia.lib.palette import Found, best
from mcp_registry.models import McpServer, Tool
from mcp_registry.selectors import catalog_for

RECENT = 5


def found_servers(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """The user's servers; without words, those that something was done with last."""
    servers = McpServer.objects.filter(owner=user).select_related("toolbox").only("name", "toolbox__name")
    if words:
        rows = best(servers, words, limit, "name", "toolbox__name")
    else:
        rows = list(servers.annotate(touched=Max("deployments__created_at")).order_by("-touched")[: min(limit, RECENT)])
    return [Found("Server", row.name, f"on {row.toolbox.name}", reverse("servers:detail", args=(row.pk,)), "server") for row in rows]


def found_tools(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """The tools of the user's servers."""
    if not words:
        return []
    tools = Tool.objects.filter(server__owner=user).select_related("server").only("name", "server__name")
    rows = best(tools, words, limit, "name", "server__name")
    return [
        Found("Tool", row.name, f"of {row.server.name}", reverse("tools:detail", args=(row.server_id, row.name)), "wrench") for row in rows
    ]


def found_entries(user: User, words: Sequence[str], limit: int) -> list[Found]:
    """What the user may deploy."""
    if not words:
        return []
    rows = best(catalog_for(user).only("title", "name"), words, limit, "title", "name")
    return [Found("Catalogue", row.title, row.name, reverse("catalog:entry", args=(row.pk,)), "package") for row in rows]
