"""What each page shows, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count

from accounts.models import User
from dtma_wire import LogLine
from mcp_registry import selectors
from mcp_registry.manifest import Manifest, Package, Profile, settings_of
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.progress import finding_of, shown
from mcp_registry.status import ServerStatus, Status, status_of
from toolboxes.fleet import summary_for
from toolboxes.selectors import toolboxes_for

ENTRIES_PER_PAGE = 60
DEPLOYMENTS_PER_PAGE = 25
FINDINGS = 20
SERVERS_AT_HOME = 8
FIRST_STEPS = ("time", "everything", "memory")
BROKEN = (Status.FAILED, Status.CRASHED, Status.UNHEALTHY)
ATTENTION = (*BROKEN, Status.UNKNOWN)


@dataclass(frozen=True)
class Offer:
    """A catalogue entry with what of its document a person wants to know before deploying it."""

    entry: CatalogEntry
    package: Package
    profile: Profile

    @property
    def one_click(self) -> bool:
        """Whether nothing has to be typed."""
        return not any(setting.required for setting in settings_of(self.package))


def offer_of(entry: CatalogEntry) -> Offer:
    """Read the document of an entry, which was accepted before."""
    manifest = Manifest.model_validate(entry.manifest)
    return Offer(entry, manifest.packages[0], manifest.profile)


def home(user: User) -> dict[str, Any]:
    """The start page."""
    rows = _with_status(user)
    attention = [row for row in rows if row[1].state in ATTENTION]
    fleet = summary_for(user)
    suggestions = [] if rows else selectors.catalog_for(user).filter(owner=None, slug__in=FIRST_STEPS)
    return {
        "total": len(rows),
        "attention": attention[:SERVERS_AT_HOME],
        "others": [row for row in rows if row not in attention][:SERVERS_AT_HOME],
        "attention_count": len(attention),
        "running": sum(row[1].state is Status.RUNNING for row in rows),
        "tools": sum(row[0].tool_count for row in rows),
        "toolboxes": fleet.total,
        "online": fleet.online,
        "recent": [shown(deployment) for deployment in selectors.recent_deployments_for(user)],
        "suggestions": [offer_of(entry) for entry in suggestions],
    }


def catalog(user: User, search: str, page: str | None) -> dict[str, Any]:
    """One page of the catalogue, best matches first where searched."""
    entries = Paginator(selectors.catalog_for(user, search), ENTRIES_PER_PAGE).get_page(page)
    return {"page": entries, "offers": [offer_of(entry) for entry in entries], "search": search, "toolboxes": toolboxes_for(user).exists()}


def servers(user: User) -> dict[str, Any]:
    """The list of servers, each with its status."""
    return {"rows": _with_status(user)}


def server(user: User, server_id: UUID) -> dict[str, Any]:
    """One server: its status, its newest deployment with all steps (those to come as well) and its tools."""
    found = selectors.server_for(user, server_id)
    manifest = Manifest.model_validate(found.manifest)
    status = status_of(found)
    return {
        "server": found,
        "status": status,
        "broken": status.state in BROKEN,
        "package": manifest.packages[found.package],
        "profile": manifest.profile,
        "own_volumes": [volume for volume in manifest.profile.volumes if volume.name not in found.shared_volumes],
        "deployment": shown(found.deployment) if found.deployment else None,
        "finding": finding_of(found, selectors.open_drift_of(found)),
        "last_log": [LogLine.model_validate(line) for line in found.last_log],
        "tools": list(selectors.tools_of(found)),
    }


def deployments(server: McpServer, page: str | None) -> dict[str, Any]:
    """One page of a server's history, newest first."""
    rows: Page[Any] = Paginator(selectors.deployments_of(server), DEPLOYMENTS_PER_PAGE).get_page(page)
    findings = selectors.drifts_of(server)[:FINDINGS]
    return {"page": rows, "deployments": [shown(deployment) for deployment in rows], "findings": findings}


def _with_status(user: User) -> list[tuple[Any, ServerStatus]]:
    return [(server, status_of(server)) for server in selectors.servers_for(user).annotate(tool_count=Count("tools")).order_by("name")]
