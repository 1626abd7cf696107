"""What is other than desired is put right."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentopia.lib import leases
from dtma_wire import Phase
from mcp_registry.drift import Seen, found, newer
from mcp_registry.models import Deployment, Drift, McpServer
from mcp_registry.services.deployments import defer_deployment, request_deployment
from mcp_registry.services.drifts import record_drift


@transaction.atomic
def repair(*, server_id: UUID, seen: Seen) -> Deployment | None:
    """Ask for a deployment where a toolbox reports what is not desired; does nothing where that is no longer so, or is being seen to."""
    rows = McpServer.objects.select_for_update(of=("self",)).select_related("deployment", "toolbox")
    server = rows.filter(pk=server_id).first()
    difference = found(server, seen, timezone.now()) if server is not None else None
    if server is None or difference is None:
        return None
    if difference.beyond:
        server.generation = max(server.generation, seen.generation) + 1
        server.save(update_fields=("generation",))
    last = server.deployment
    failures = last.failures_before + 1 if last is not None and last.status == Deployment.Status.FAILED else 0
    kind = Deployment.Kind.DELETE if server.desired == McpServer.Desired.ABSENT else Deployment.Kind.REPAIR
    deployment = request_deployment(server=server, kind=kind, failures_before=failures)
    if difference.what is not None:
        record_drift(server=server, what=difference.what, seen=seen, sentence=difference.sentence, deployment=deployment)
    return deployment


@transaction.atomic
def go_beyond(*, deployment: Deployment, known: int | None) -> None:
    """A toolbox refused a deployment since it knows a newer generation: take one beyond that, and try again.

    ``known`` is None where an older DTMA did not tell which it knows.
    """
    server = McpServer.objects.select_for_update(of=("self",)).select_related("toolbox").get(pk=deployment.server_id)
    theirs = max(known if known is not None else 2 * server.generation, server.generation)
    sentence = newer(theirs, server.generation)
    server.generation = theirs + 1
    if not Deployment.objects.filter(leases.held(deployment)).update(generation=server.generation):
        return
    server.save(update_fields=("generation",))
    seen = Seen(theirs, Phase(server.phase))
    record_drift(server=server, what=Drift.What.NEWER, seen=seen, sentence=sentence, deployment=deployment)
    defer_deployment(deployment=deployment, problem=sentence, code="stale_generation")
