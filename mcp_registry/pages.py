"""What each page shows, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from mcp_registry import selectors
from mcp_registry.manifest import package_of_document, settings_of
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.deployments import QUEUED
from mcp_registry.status import ServerStatus, Status, status_of
from toolboxes.models import Toolbox
from toolboxes.selectors import toolboxes_for

STEP_TITLES = {
    QUEUED: "Queued",
    "image": "Image",
    "container": "Container",
    "handshake": "MCP handshake",
    "tools": "Tools",
}
ATTENTION = (Status.FAILED, Status.CRASHED, Status.UNHEALTHY, Status.UNKNOWN)


def deploys_with_one_click(entry: CatalogEntry) -> bool:
    """Whether nothing has to be typed."""
    return not any(setting.required for setting in settings_of(package_of_document(entry.manifest)))


def _with_status(rows: list[McpServer]) -> list[tuple[McpServer, ServerStatus]]:
    return [(server, status_of(server)) for server in rows]


def home(user: User) -> dict[str, Any]:
    """The start page."""
    rows = _with_status(list(selectors.servers_for(user)))
    toolboxes: list[Toolbox] = list(toolboxes_for(user))
    return {
        "servers": rows,
        "attention": [row for row in rows if row[1].state in ATTENTION],
        "running": sum(row[1].state is Status.RUNNING for row in rows),
        "toolboxes": toolboxes,
        "online": sum(not toolbox.is_silent() for toolbox in toolboxes),
        "recent": selectors.recent_deployments_for(user),
        "suggestions": [] if rows else list(selectors.catalog_for(user).filter(owner=None, slug__in=("time", "everything", "memory"))),
    }


def servers(user: User) -> dict[str, Any]:
    """The list of servers, each with its status."""
    return {"rows": _with_status(list(selectors.servers_for(user)))}


def server(user: User, server_id: UUID) -> dict[str, Any]:
    """One server: its status, its newest deployment with all steps (those to come as well) and its tools."""
    found = selectors.server_for(user, server_id)
    deployment = found.deployment
    return {
        "server": found,
        "status": status_of(found),
        "deployment": deployment,
        "steps": list(deployment.steps.all()) if deployment else [],
        "step_titles": STEP_TITLES,
        "tools": list(selectors.tools_of(found)),
    }
