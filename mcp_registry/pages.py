"""What each page shows, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator

from accounts.models import User
from dtma_wire import LogLine
from mcp_registry import selectors
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import Manifest
from mcp_registry.models import Deployment, McpServer
from mcp_registry.progress import ShownDeployment, finding_of, shown
from mcp_registry.server_list import ATTENTION, BROKEN, at_a_glance
from mcp_registry.status import Status, status_of
from mcp_registry.upgrading.shown import card as upgrade_card
from mcp_registry.upgrading.shown import history as upgrade_history
from toolboxes.fleet import summary_for

DEPLOYMENTS_PER_PAGE = 25
FINDINGS = 20
SERVERS_AT_HOME = 6
CHANGES = (Deployment.Kind.CONFIGURE, Deployment.Kind.ROLLBACK)
"""After which, if they fail, it can be gone back to what was before."""
FIRST_STEPS = ("time", "everything", "memory")


def home(user: User) -> dict[str, Any]:
    """The start page."""
    glance, fleet = at_a_glance(user, SERVERS_AT_HOME), summary_for(user)
    counts, total = glance["counts"], sum(glance["counts"].values())
    suggestions = [] if total else selectors.catalog_for(user).filter(owner=None, slug__in=FIRST_STEPS)
    return {
        "total": total,
        "attention": glance["attention"],
        "others": glance["others"],
        "attention_count": sum(counts.get(state, 0) for state in ATTENTION),
        "running": counts.get(Status.RUNNING, 0),
        "tools": selectors.tools_for(user).count(),
        "toolboxes": fleet.total,
        "online": fleet.online,
        "recent": [shown(deployment) for deployment in selectors.recent_deployments_for(user)],
        "suggestions": list(suggestions),
    }


def server(user: User, server_id: UUID) -> dict[str, Any]:
    """One server: its status, its newest deployment with all steps (those to come as well) and its tools."""
    found = selectors.server_for(user, server_id)
    manifest = Manifest.model_validate(found.manifest)
    status = status_of(found)
    deployment = shown(found.deployment) if found.deployment else None
    return {
        "server": found,
        "status": status,
        "broken": status.state in BROKEN,
        "package": manifest.packages[found.package],
        "profile": effective_profile(manifest, found.overrides),
        "own_volumes": [volume for volume in manifest.profile.volumes if volume.name not in found.shared_volumes],
        "deployment": deployment,
        "retry": f"Try again from: {deployment.failed_step}" if deployment is not None and deployment.failed_step else "Try again",
        "back_to": _back_to(found, deployment) if status.state == Status.FAILED else None,
        "finding": finding_of(found, selectors.open_drift_of(found)),
        "last_log": [LogLine.model_validate(line) for line in found.last_log],
        "tools": list(selectors.tools_of(found)),
        **upgrade_card(found),
    }


def _back_to(server: McpServer, deployment: ShownDeployment | None) -> int | None:
    """The generation to go back to where it was a change of the server that failed."""
    if deployment is None or deployment.deployment.kind not in CHANGES:
        return None
    generations = list(server.revisions.values_list("generation", flat=True)[:2])
    return generations[1] if len(generations) > 1 else None


def deployments(server: McpServer, page: str | None) -> dict[str, Any]:
    """One page of a server's history, newest first."""
    rows: Page[Any] = Paginator(selectors.deployments_of(server), DEPLOYMENTS_PER_PAGE).get_page(page)
    findings = selectors.drifts_of(server)[:FINDINGS]
    return {"page": rows, "deployments": [shown(deployment) for deployment in rows], "findings": findings, **upgrade_history(server)}
