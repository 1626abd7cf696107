"""Reads; each read of a user's thing starts from the user."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound
from dtma_wire import Step
from mcp_registry.models import CatalogEntry, Deployment, DeploymentStep, Drift, McpServer, Revision, Tool

HEAVY = ("manifest", "config", "secrets", "overrides", "last_log", "server_info")
"""Columns of a server that no list shows."""
READ_BY_A_CALL = (
    *("name", "digest", "definition"),
    *(f"server__{field}" for field in ("name", "desired", "generation", "secrets")),
    *(f"server__{field}" for field in ("phase", "observed_generation", "tools_hash", "reason")),
    *(f"server__toolbox__{field}" for field in ("name", "url", "enrolled_at", "last_seen_at", "info")),
    *(f"server__deployment__{field}" for field in ("status", "detail", "not_before")),
)


def catalog_for(user: User) -> QuerySet[CatalogEntry]:
    """What this user may deploy: what is for all, and what they added themselves; not what was hidden or withdrawn."""
    return CatalogEntry.objects.filter(Q(audience=None) | Q(audience=user.pk), hidden=False, withdrawn=False)


def entry_for(user: User, key: str) -> CatalogEntry:
    """One entry by id, name or slug. One that ships goes before one's own, that before a registry's, and that before what others published:
    nobody can put something else in the place of what a name meant. Raises `NotFound` or `Conflict`.
    """
    try:
        condition = Q(pk=uuid.UUID(str(key)))
    except ValueError:
        condition = Q(name=key) | Q(slug=key)
    found = list(catalog_for(user).filter(condition))
    named = [entry for entry in found if entry.name == key] or found
    first = min((_precedence(entry, user) for entry in named), default=0)
    best = [entry for entry in named if _precedence(entry, user) == first]
    if not best:
        raise NotFound(f"The catalogue has no entry “{key}”.", code="entry_not_found")
    if len(best) > 1:
        names = ", ".join(sorted(entry.name for entry in best))
        raise Conflict(f"Several entries are called “{key}”: {names}. Use the full name, or the id.", code="entry_ambiguous")
    return best[0]


def _precedence(entry: CatalogEntry, user: User) -> int:
    if entry.owner_id == user.pk:
        return 1
    return {CatalogEntry.Origin.SHIPPED: 0, CatalogEntry.Origin.REGISTRY: 2}.get(CatalogEntry.Origin(entry.origin), 3)


def servers_for(user: User) -> QuerySet[McpServer]:
    """This user's servers, with all that `status.status_of` reads."""
    return McpServer.objects.filter(owner=user).select_related("toolbox", "deployment", "entry")


def server_for(user: User, server_id: uuid.UUID | str) -> McpServer:
    """One of this user's servers; raises `NotFound`."""
    try:
        server = servers_for(user).filter(pk=uuid.UUID(str(server_id))).first()
    except ValueError:
        server = None
    if server is None:
        raise NotFound("You have no such server; it may have been deleted.", code="server_not_found")
    return server


def deployments_of(server: McpServer) -> QuerySet[Deployment]:
    """Newest first, with their steps."""
    return server.deployments.prefetch_related("steps")


def drifts_of(server: McpServer) -> QuerySet[Drift]:
    """What was found of it that was not as desired, newest first."""
    return server.drifts.all()


def open_drift_of(server: McpServer) -> Drift | None:
    """The newest of them that is not put right yet."""
    return server.drifts.filter(repaired_at=None).first()


def tools_of(server: McpServer) -> QuerySet[Tool]:
    """The tools as last discovered, in the server's own order."""
    return server.tools.all()


def tools_for(user: User) -> QuerySet[Tool]:
    """The tools of all of this user's servers."""
    return Tool.objects.filter(server__owner=user)


def callable_tool_for(user: User, server_id: uuid.UUID, name: str) -> Tool | None:
    """A tool of one of this user's servers, with all that a call of it reads; in one query, since every call makes it."""
    tools = Tool.objects.select_related("server__toolbox", "server__deployment").only(*READ_BY_A_CALL)
    try:
        return tools.get(server=server_id, server__owner=user, name=name)
    except Tool.DoesNotExist:
        return None


def tool_of(server: McpServer, name: str) -> Tool:
    """One tool by its name; raises `NotFound`."""
    tool = server.tools.filter(name=name).first()
    if tool is None:
        raise NotFound(f"“{server.name}” has no tool “{name}”.", code="tool_not_found")
    return tool


def recent_deployments_for(user: User, limit: int = 6) -> list[Deployment]:
    """What happened last on this user's servers."""
    rows = Deployment.objects.filter(server__owner=user).select_related("server").defer(*(f"server__{field}" for field in HEAVY))
    return list(rows.prefetch_related("steps")[:limit])


START_STEPS = (Step.CONTAINER, Step.HANDSHAKE, Step.TOOLS)


def seconds_to_start(server: McpServer) -> float | None:
    """How long it last took from its image to its tools; None where it never got there, or nothing had to be started."""
    steps = DeploymentStep.objects.filter(deployment__server=server, deployment__status=Deployment.Status.SUCCEEDED, name__in=START_STEPS)
    newest = steps.filter(name=Step.CONTAINER).order_by("-deployment__created_at").values("deployment")[:1]
    seconds = [step.seconds for step in steps.filter(deployment__in=newest)]
    return sum(second or 0.0 for second in seconds) or None


def revisions_of(server: McpServer) -> QuerySet[Revision]:
    """What it was made from, generation by generation, the newest first."""
    return server.revisions.select_related("by")


def revision_of(server: McpServer, generation: int) -> Revision:
    """What it was made from at a generation, whose number may also be that of a start or stop after it; raises `NotFound`."""
    revision = revisions_of(server).filter(generation__lte=generation).first()
    if revision is None:
        raise NotFound(f"“{server.name}” has no generation {generation} to go back to.", code="revision_not_found")
    return revision
