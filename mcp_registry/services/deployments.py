"""The record of work: deployments are asked for, claimed, followed step by step and ended, each in one transaction."""

from __future__ import annotations

import logging
import random
from datetime import datetime, timedelta
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from agentopia.lib import live
from dtma_wire import Progress, Step, StepState
from mcp_registry.models import Deployment, DeploymentStep, McpServer

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
UNREACHABLE = "toolbox_unreachable"  # the one failure that ends by itself: when the toolbox reports again
PAUSES = (1, 2, 4, 8, 15, 30, 30, 30)  # seconds between attempts while a toolbox does not answer
QUEUED = "queued"
POSITIONS = {QUEUED: 0, **{step.value: number for number, step in enumerate(Step, start=1)}}


def request_deployment(*, server: McpServer, kind: Deployment.Kind) -> Deployment:
    """Ask for the server's present generation to be brought about; within the caller's transaction.

    Unfinished deployments of earlier generations are superseded.
    """
    now = timezone.now()
    server.deployments.filter(status__in=(Deployment.Status.QUEUED, Deployment.Status.RUNNING)).update(
        status=Deployment.Status.SUPERSEDED, finished_at=now, lease_until=None
    )
    deployment = Deployment.objects.create(server=server, kind=kind, generation=server.generation, created_at=now, not_before=now)
    DeploymentStep.objects.create(deployment=deployment, position=0, name=QUEUED, state=DeploymentStep.State.RUNNING, started_at=now)
    server.deployment = deployment
    server.save(update_fields=("deployment",))
    _announce(server)
    transaction.on_commit(lambda: hand_over(deployment.pk))
    return deployment


def claim_deployment(*, deployment_id: UUID) -> Deployment | None:
    """Take the work, for as long as the lease runs. None where somebody has it, or it is done or not due."""
    now = timezone.now()
    due = Q(status=Deployment.Status.QUEUED, not_before__lte=now) | Q(status=Deployment.Status.RUNNING, lease_until__lt=now)
    claimed = Deployment.objects.filter(due, pk=deployment_id).update(
        status=Deployment.Status.RUNNING, lease_until=now + LEASE, attempts=F("attempts") + 1
    )
    if not claimed:
        return None
    DeploymentStep.objects.filter(deployment_id=deployment_id, name=QUEUED, finished_at=None).update(
        state=DeploymentStep.State.DONE, finished_at=now
    )
    return Deployment.objects.select_related("server", "server__toolbox").get(pk=deployment_id)


def renew_lease(*, deployment: Deployment) -> bool:
    """Keep the work. False where it is no longer ours: superseded, or claimed by another after our lease ran out."""
    still_ours = Q(pk=deployment.pk, status=Deployment.Status.RUNNING, attempts=deployment.attempts)
    return bool(Deployment.objects.filter(still_ours).update(lease_until=timezone.now() + LEASE))


@transaction.atomic
def record_progress(*, deployment: Deployment, progress: Progress) -> None:
    """Store what a toolbox says of a step; the same event again changes nothing."""
    ended = progress.state is not StepState.RUNNING
    values = {
        "position": POSITIONS[progress.step],
        "state": progress.state.value,
        "detail": progress.detail[:4000],
        "fraction": progress.fraction,
        "finished_at": progress.at if ended else None,
    }
    DeploymentStep.objects.update_or_create(
        deployment=deployment,
        name=progress.step.value,
        defaults=values,
        create_defaults={**values, "started_at": progress.at},
    )
    _announce(deployment.server)


@transaction.atomic
def finish_deployment(*, deployment: Deployment, problem: str = "", code: str = "") -> None:
    """End it, once: with a problem it has failed. Whatever step still ran has ended with it."""
    now = timezone.now()
    unfinished = Q(pk=deployment.pk, status__in=(Deployment.Status.QUEUED, Deployment.Status.RUNNING))
    status = Deployment.Status.FAILED if problem else Deployment.Status.SUCCEEDED
    if not Deployment.objects.filter(unfinished).update(status=status, detail=problem, code=code, finished_at=now, lease_until=None):
        return
    DeploymentStep.objects.filter(deployment=deployment, finished_at=None).update(
        state=DeploymentStep.State.FAILED if problem else DeploymentStep.State.DONE, finished_at=now
    )
    _announce(deployment.server)


@transaction.atomic
def defer_deployment(*, deployment: Deployment, problem: str, code: str) -> None:
    """Try again later, with growing pauses and some jitter; after the last pause it has failed, for the reason given."""
    if deployment.attempts > len(PAUSES):
        finish_deployment(deployment=deployment, problem=problem, code=code)
        return
    pause = PAUSES[deployment.attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 (jitter, not a secret)
    ours = Q(pk=deployment.pk, status=Deployment.Status.RUNNING, attempts=deployment.attempts)
    Deployment.objects.filter(ours).update(
        status=Deployment.Status.QUEUED,
        detail=f"{problem} Trying again.",
        not_before=timezone.now() + timedelta(seconds=pause),
        lease_until=None,
    )
    _announce(deployment.server)


def due_deployments(now: datetime) -> list[UUID]:
    """Work that nobody does: due and not handed over, or whose worker's lease ran out."""
    queued = Q(status=Deployment.Status.QUEUED, not_before__lte=now)
    abandoned = Q(status=Deployment.Status.RUNNING, lease_until__lt=now)
    return list(Deployment.objects.filter(queued | abandoned).order_by("not_before").values_list("pk", flat=True)[:200])


def _announce(server: McpServer) -> None:
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))


def hand_over(deployment_id: UUID) -> None:
    """Give it to a worker. Without a broker it stays due, and the next dispatch finds it."""
    try:
        current_app.send_task("mcp_registry.deploy", (str(deployment_id),))
    except OperationalError as error:
        logger.warning("The broker does not answer, deployment %s waits: %s", deployment_id, error)
