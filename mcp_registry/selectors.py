"""Reads; each read of a user's thing starts from the user."""

from __future__ import annotations

import uuid

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import Case, IntegerField, Prefetch, Q, QuerySet, Value, When

from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound
from mcp_registry.models import CatalogEntry, Deployment, Drift, McpServer, Tool

READ_BY_A_CALL = (
    *("name", "digest", "definition"),
    *(f"server__{field}" for field in ("name", "desired", "generation", "secrets")),
    *(f"server__{field}" for field in ("phase", "observed_generation", "tools_hash", "reason")),
    *(f"server__toolbox__{field}" for field in ("name", "url", "enrolled_at", "last_seen_at", "info")),
    *(f"server__deployment__{field}" for field in ("status", "detail", "not_before")),
)


def catalog_for(user: User, search: str = "") -> QuerySet[CatalogEntry]:
    """What this user may deploy: what ships with Agentopia and what they added; best matches first where searched."""
    entries = CatalogEntry.objects.filter(Q(owner=None) | Q(owner=user))
    words = search.split()
    if not words:
        return entries
    text = SearchVector("slug", "title", "name", weight="A") + SearchVector("description", weight="B")
    begins = " & ".join(f"{''.join(c for c in word if c.isalnum())}:*" for word in words if any(c.isalnum() for c in word))
    matches = Q(name__icontains=search.strip()) | Q(title__icontains=search.strip())
    if begins:
        query = SearchQuery(begins, search_type="raw", config="english")
        entries = entries.annotate(text=text, rank=SearchRank(text, query))
        matches |= Q(text=query)
    exact = Case(When(slug__iexact=search.strip(), then=Value(1)), default=Value(0), output_field=IntegerField())
    return entries.filter(matches).annotate(exact=exact).order_by("-exact", *(["-rank"] if begins else []), "title")


def entry_for(user: User, key: str) -> CatalogEntry:
    """One entry by id, name or slug; a user's own goes before a shipped one. Raises `NotFound` or `Conflict`."""
    try:
        condition = Q(pk=uuid.UUID(str(key)))
    except ValueError:
        condition = Q(name=key) | Q(slug=key)
    found = list(catalog_for(user).filter(condition))
    best = [entry for entry in found if entry.name == key] or found
    best = [entry for entry in best if entry.owner_id] or best
    if not best:
        raise NotFound(f"The catalogue has no entry “{key}”.", code="entry_not_found")
    if len(best) > 1:
        names = ", ".join(entry.name for entry in best)
        raise Conflict(f"Several entries are called “{key}”: {names}. Use the full name.", code="entry_ambiguous")
    return best[0]


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


def recent_deployments_for(user: User, limit: int = 8) -> list[Deployment]:
    """What happened last on this user's servers."""
    rows = Deployment.objects.filter(server__owner=user).select_related("server", "server__toolbox")
    return list(rows.prefetch_related(Prefetch("steps"))[:limit])
