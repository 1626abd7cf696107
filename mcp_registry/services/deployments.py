"""The record of work: deployments are asked for, claimed, followed step by step and ended, each in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentopia.lib import leases, live
from dtma_wire import Progress, Step, StepState
from mcp_registry.clocks import ours
from mcp_registry.models import Deployment, DeploymentStep, McpServer, Upgrade
from mcp_registry.services.drifts import note_repaired
from mcp_registry.services.listeners import tell_status_changed
from mcp_registry.services.outcomes import note_outcome
from mcp_registry.services.upgrade_endings import cancel_for_change

LEASE = timedelta(seconds=20)
UNREACHABLE = "toolbox_unreachable"  # the one failure that ends by itself: when the toolbox reports again
PAUSES = (1, 2, 4, 8, 15, 30, 30, 30)  # seconds between attempts while a toolbox does not answer
QUEUED = "queued"
POSITIONS = {QUEUED: 0, **{step.value: number for number, step in enumerate(Step, start=1)}}


def request_deployment(
    *, server: McpServer, kind: Deployment.Kind, failures_before: int = 0, note: str = "", of_upgrade: bool = False
) -> Deployment:
    """Ask for the server's present generation to be brought about; within the caller's transaction.

    Unfinished deployments of earlier generations are superseded. So is an upgrade of the server that goes on, unless this is ``of_upgrade``
    or a repair, which is nobody's wish. ``note`` is told with its first step.
    """
    if not of_upgrade and kind != Deployment.Kind.REPAIR:
        cancel_for_change(server=server)
    earlier = server.deployments.filter(leases.UNFINISHED).exclude(kind=Deployment.Kind.TRIAL)
    earlier.update(status=Deployment.Status.SUPERSEDED, finished_at=timezone.now(), lease_until=None)
    deployment = queue_deployment(server=server, kind=kind, failures_before=failures_before, note=note)
    server.deployment = deployment
    server.save(update_fields=("deployment",))
    tell_status_changed(server.pk)
    return deployment


def queue_deployment(*, server: McpServer, kind: Deployment.Kind, failures_before: int = 0, note: str = "") -> Deployment:
    """A deployment beside whatever else goes on, which the server's row does not know of; within the caller's transaction."""
    now = timezone.now()
    deployment = Deployment.objects.create(
        server=server, kind=kind, generation=server.generation, created_at=now, not_before=now, failures_before=failures_before
    )
    running = DeploymentStep.State.RUNNING
    DeploymentStep.objects.create(deployment=deployment, position=0, name=QUEUED, state=running, started_at=now, detail=note)
    _announce(server)
    transaction.on_commit(lambda: hand_over(deployment.pk))
    return deployment


def claim_deployment(*, deployment_id: UUID) -> Deployment | None:
    """Take the work, for as long as the lease runs. None where somebody has it, or it is done or not due."""
    if not leases.claim(Deployment.objects.filter(pk=deployment_id), LEASE):
        return None
    DeploymentStep.objects.filter(deployment_id=deployment_id, name=QUEUED, finished_at=None).update(
        state=DeploymentStep.State.DONE, finished_at=timezone.now()
    )
    return Deployment.objects.select_related("server", "server__toolbox").get(pk=deployment_id)


def renew_lease(*, deployment: Deployment) -> bool:
    """Keep the work. False where it is no longer ours: superseded, or claimed by another after our lease ran out."""
    return leases.renew(Deployment.objects.all(), deployment, LEASE)


@transaction.atomic
def record_progress(*, deployment: Deployment, progress: Progress) -> None:
    """Store what a toolbox says of a step; the same event again changes nothing."""
    ended = progress.state is not StepState.RUNNING
    at = ours(deployment.server.toolbox, progress.at, not_before=deployment.created_at)
    values = {
        "position": POSITIONS[progress.step],
        "state": progress.state.value,
        "detail": progress.detail[:4000],
        "fraction": progress.fraction,
        "finished_at": at if ended else None,
    }
    DeploymentStep.objects.update_or_create(
        deployment=deployment,
        name=progress.step.value,
        defaults=values,
        create_defaults={**values, "started_at": at},
    )
    _announce(deployment.server)


@transaction.atomic
def finish_deployment(*, deployment: Deployment, problem: str = "", code: str = "") -> None:
    """End it, once: with a problem it has failed. Whatever step still ran has ended with it."""
    now = timezone.now()
    status = Deployment.Status.FAILED if problem else Deployment.Status.SUCCEEDED
    unfinished = Deployment.objects.filter(leases.UNFINISHED, pk=deployment.pk)
    if not unfinished.update(status=status, detail=problem, code=code, finished_at=now, lease_until=None):
        return
    DeploymentStep.objects.filter(deployment=deployment, finished_at=None).update(
        state=DeploymentStep.State.FAILED if problem else DeploymentStep.State.DONE, finished_at=now
    )
    if not problem and deployment.kind != Deployment.Kind.TRIAL:
        note_repaired(server=deployment.server)
    note_outcome(deployment=deployment, problem=problem, code=code, at=now)
    if Upgrade.objects.filter(server=deployment.server_id, status__in=Upgrade.UNFINISHED).exists():
        transaction.on_commit(lambda: leases.hand_over("mcp_registry.advance_upgrade", deployment.server_id))
    tell_status_changed(deployment.server_id)
    _announce(deployment.server)


@transaction.atomic
def defer_deployment(*, deployment: Deployment, problem: str, code: str) -> None:
    """Try again later, with growing pauses and some jitter; after the last pause it has failed, for the reason given."""
    pause = leases.pause(deployment.attempts, PAUSES)
    if pause is None:
        finish_deployment(deployment=deployment, problem=problem, code=code)
        return
    leases.put_off(Deployment.objects.all(), deployment, pause, detail=f"{problem} Trying again.")
    tell_status_changed(deployment.server_id)
    _announce(deployment.server)


def due_deployments(now: datetime) -> list[UUID]:
    """Work that nobody does: due and not handed over, or whose worker's lease ran out."""
    return list(Deployment.objects.filter(leases.due(now)).order_by("not_before").values_list("pk", flat=True)[:200])


def _announce(server: McpServer) -> None:
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))


def hand_over(deployment_id: UUID) -> None:
    """Give it to a worker. Without a broker it stays due, and the next dispatch finds it."""
    leases.hand_over("mcp_registry.deploy", deployment_id)
