"""How deployments of entries end, counted: what an entry's page says of that is measured.

One server is one outcome: that of its first deployment. Where that failed, and the server was brought up later by another try (of the same
settings or of changed ones), the outcome becomes a success; a server that was ready once changes it no more. What is no fault of the entry
(its toolbox did not answer, its engine was away) is no outcome. It stays when the server is deleted.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from mcp_registry.models import CatalogEntry, Deployment, EntryOutcome

COUNTED = (
    Deployment.Kind.DEPLOY,
    Deployment.Kind.START,
    Deployment.Kind.RESTART,
    Deployment.Kind.REPAIR,
    Deployment.Kind.CONFIGURE,
)
"""The kinds of deployment that are a try to bring a server up. Not those of a server that was there before it was deployed from here
(adopt, restore), nor those that go from one version to another.
"""
NOT_THE_ENTRYS_FAULT = ("toolbox_unreachable", "engine_unavailable", "dtma_too_old")
DETAIL_LIMIT = 2000


@transaction.atomic
def note_outcome(*, deployment: Deployment, problem: str, code: str, at: datetime) -> None:
    """Count how this deployment ended, where it was a server's first that did, or a later try of one that never was ready."""
    server = deployment.server
    if server.entry_id is None or deployment.kind not in COUNTED or code in NOT_THE_ENTRYS_FAULT:
        return
    if not problem and deployment.kind != Deployment.Kind.DEPLOY and server.desired != server.Desired.RUNNING:
        return
    entry = CatalogEntry.objects.select_for_update(of=("self",), no_key=True).filter(pk=server.entry_id).only("pk").first()
    if entry is None:
        return
    known = EntryOutcome.objects.filter(server=server.pk).first()
    if known is None and _was_ready_before(deployment):
        return
    if known is not None and (known.succeeded or known.entry_id != entry.pk):
        return
    EntryOutcome.objects.update_or_create(
        server=server.pk,
        defaults={
            "entry": entry,
            "version": server.version,
            "at": at,
            "succeeded": not problem,
            "code": code,
            "detail": problem[:DETAIL_LIMIT],
            "seconds": max(0.0, (at - deployment.created_at).total_seconds()),
        },
    )
    CatalogEntry.objects.filter(pk=entry.pk).update(
        deployed_count=F("deployed_count") + (1 if known is None else 0),
        succeeded_count=F("succeeded_count") + (0 if problem else 1),
    )


def _was_ready_before(deployment: Deployment) -> bool:
    others = Deployment.objects.filter(server=deployment.server_id, status=Deployment.Status.SUCCEEDED).exclude(pk=deployment.pk)
    return others.exclude(kind__in=(Deployment.Kind.STOP, Deployment.Kind.TRIAL)).exists()
