"""What the pages about a server's configuration show: its settings, its generations, what is kept of deleted ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator

from accounts.models import User
from agentopia.lib.errors import NotFound
from mcp_registry import pages, selectors
from mcp_registry.configuring.changes import Difference, differences
from mcp_registry.configuring.drafts import draft_back
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import Manifest
from mcp_registry.models import Deployment, KeptData, McpServer, Revision
from mcp_registry.placement import need_of
from mcp_registry.progress import ShownDeployment, shown

REVISIONS_PER_PAGE = 20
MAKERS = (
    *(Deployment.Kind.DEPLOY, Deployment.Kind.CONFIGURE, Deployment.Kind.ROLLBACK, Deployment.Kind.RESTORE),
    *(Deployment.Kind.UPGRADE, Deployment.Kind.ADOPT),
)
"""The kinds of deployment that bring about what a revision says."""


@dataclass(frozen=True)
class ShownRevision:
    """A generation that changed what the server is made from: what it changed, and what came of it (None: nobody knows any more)."""

    revision: Revision
    differences: list[Difference]
    result: ShownDeployment | None
    is_present: bool


@dataclass(frozen=True)
class ShownKept:
    """What is kept of a deleted server, and where in it its own data is."""

    kept: KeptData
    paths: list[str]
    shared: list[str]


def settings(user: User, server_id: UUID) -> dict[str, Any]:
    """The server, and the newest revision: what the form begins with."""
    context = pages.server(user, server_id)
    return {**context, "newest": newest_revision(context["server"])}


def newest_revision(server: McpServer) -> Revision:
    """What it is made from now."""
    return selectors.revision_of(server, server.generation)


def meanwhile(server: McpServer, base: int) -> dict[str, Any]:
    """What was changed since a form was shown that was made from the revision of generation ``base``."""
    theirs = selectors.revisions_of(server).filter(generation__gt=base).defer("manifest", "config", "secrets")
    return {"theirs": list(theirs)}


def generations(server: McpServer, page: str | None) -> dict[str, Any]:
    """One page of a server's generations, the newest first, each compared with the one before."""
    rows: Page[Any] = Paginator(selectors.revisions_of(server), REVISIONS_PER_PAGE).get_page(page)
    revisions: list[Revision] = list(rows)
    before = server.revisions.filter(generation__lt=revisions[-1].generation).first() if revisions else None
    results = _results(server, revisions)
    newest = server.revisions.values_list("generation", flat=True).first()
    told = [
        ShownRevision(one, differences(earlier, one) if earlier else [], results.get(one.generation), one.generation == newest)
        for one, earlier in zip(revisions, [*revisions[1:], before], strict=True)
    ]
    return {"generation_page": rows, "revisions": told}


def _results(server: McpServer, revisions: Iterable[Revision]) -> dict[int, ShownDeployment]:
    """By generation, the first deployment that was to bring it about; a generation may have been raised since (`repairs.go_beyond`)."""
    numbers = [revision.generation for revision in revisions]
    if not numbers:
        return {}
    work = server.deployments.filter(generation__gte=numbers[-1], kind__in=MAKERS).order_by("created_at").prefetch_related("steps")
    results: dict[int, ShownDeployment] = {}
    for deployment in work:
        number = next((number for number in numbers if number <= deployment.generation), None)
        if number is not None:
            results.setdefault(number, shown(deployment))
    return results


def generation(user: User, server_id: UUID, number: int) -> dict[str, Any]:
    """One generation: what going back to it would change, and what that does."""
    context = pages.server(user, server_id)
    revision = selectors.revisions_of(context["server"]).filter(generation=number).first()
    if revision is None:
        raise NotFound(f"“{context['server'].name}” has no generation {number} to go back to.", code="revision_not_found")
    newest = newest_revision(context["server"])
    return {**context, "revision": revision, "newest": newest, "draft": draft_back(context["server"], revision)}


def clone(user: User, server_id: UUID) -> dict[str, Any]:
    """The server that is to be cloned, and what another one needs."""
    context = pages.server(user, server_id)
    return {**context, "need": need_of(context["package"], context["profile"])}


def kept(user: User) -> dict[str, Any]:
    """What is kept of deleted servers, and which are still being deleted, their data to be kept."""
    rows = KeptData.objects.filter(owner=user).select_related("toolbox", "entry").defer("secrets", "config")
    going = selectors.servers_for(user).filter(desired=McpServer.Desired.ABSENT, keep_volumes=True).order_by("name")
    return {"rows": [_shown(row) for row in rows], "going": list(going)}


def kept_of(user: User, server_id: UUID) -> ShownKept:
    """What is kept of one server; raises `NotFound`."""
    row = KeptData.objects.filter(owner=user, pk=server_id).select_related("toolbox").first()
    if row is None:
        raise NotFound("Nothing is kept of such a server.", code="kept_data_not_found")
    return _shown(row)


def _shown(row: KeptData) -> ShownKept:
    profile = effective_profile(Manifest.model_validate(row.manifest), row.overrides)
    own = [volume.path for volume in profile.volumes if volume.name not in row.shared_volumes]
    return ShownKept(row, own, sorted(set(row.shared_volumes.values())))


def kept_count(user: User) -> int:
    """Of how many deleted servers data is kept, or is about to be."""
    going = McpServer.objects.filter(owner=user, desired=McpServer.Desired.ABSENT, keep_volumes=True)
    return KeptData.objects.filter(owner=user).count() + going.count()


def undo_of(server: McpServer) -> int | None:
    """The generation before the newest one, to go back to; None where there is none."""
    newest = list(server.revisions.values_list("generation", flat=True)[:2])
    return newest[1] if len(newest) > 1 else None
