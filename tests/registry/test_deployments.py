"""The record of work: claims, leases, pauses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from dtma_wire import Phase, Progress, Step, StepState
from mcp_registry.models import Deployment, DeploymentStep, McpServer
from mcp_registry.services import deployments
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import restart_server, start_server
from tests.conftest import state_of


@pytest.fixture
def queued(user: User, make_server: Callable[..., McpServer]) -> Deployment:
    server = restart_server(owner=user, server_id=make_server().pk)
    assert server.deployment is not None
    return server.deployment


def test_one_claim_at_a_time(queued: Deployment) -> None:
    assert deployments.claim_deployment(deployment_id=queued.pk) is not None
    assert deployments.claim_deployment(deployment_id=queued.pk) is None


def test_work_of_a_killed_worker_is_due_when_its_lease_has_run_out(queued: Deployment) -> None:
    claimed = deployments.claim_deployment(deployment_id=queued.pk)
    assert claimed is not None
    assert queued.pk not in deployments.due_deployments(timezone.now())
    Deployment.objects.filter(pk=queued.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert queued.pk in deployments.due_deployments(timezone.now())
    assert deployments.claim_deployment(deployment_id=queued.pk) is not None
    assert not deployments.renew_lease(deployment=claimed), "the first worker must notice that another has its work"


def test_work_that_the_broker_lost_is_due(queued: Deployment) -> None:
    assert queued.pk in deployments.due_deployments(timezone.now())


def test_superseded_work_is_nobodys(queued: Deployment, user: User) -> None:
    claimed = deployments.claim_deployment(deployment_id=queued.pk)
    assert claimed is not None
    start_server(owner=user, server_id=queued.server_id)
    assert not deployments.renew_lease(deployment=claimed)
    deployments.finish_deployment(deployment=claimed)
    queued.refresh_from_db()
    assert queued.status == Deployment.Status.SUPERSEDED


def test_pauses_grow_and_end_in_failure(queued: Deployment) -> None:
    pauses = []
    for _ in range(20):
        Deployment.objects.filter(pk=queued.pk).update(not_before=timezone.now())
        claimed = deployments.claim_deployment(deployment_id=queued.pk)
        if claimed is None:
            break
        deployments.defer_deployment(deployment=claimed, problem="It does not answer.", code="toolbox_unreachable")
        queued.refresh_from_db()
        pauses.append((queued.not_before - timezone.now()).total_seconds())
    assert (queued.status, queued.code, queued.detail) == ("failed", "toolbox_unreachable", "It does not answer.")
    assert pauses[0] < 1.3
    assert max(pauses) > 20
    assert not DeploymentStep.objects.filter(deployment=queued, state="running").exists()


def test_steps_are_stored_once_however_often_they_are_told(queued: Deployment) -> None:
    at = queued.created_at = timezone.now() - timedelta(seconds=5)
    for state, moment in ((StepState.RUNNING, at), (StepState.DONE, at + timedelta(seconds=3))) * 2:
        deployments.record_progress(deployment=queued, progress=Progress(step=Step.IMAGE, state=state, at=moment, detail="Building"))
    step = DeploymentStep.objects.get(deployment=queued, name="image")
    assert (step.state, step.seconds) == ("done", 3)


def test_a_failure_ends_the_step_that_ran(queued: Deployment) -> None:
    deployments.record_progress(deployment=queued, progress=Progress(step=Step.HANDSHAKE, state=StepState.RUNNING, at=timezone.now()))
    deployments.finish_deployment(deployment=queued, problem="It never answered.", code="not_ready")
    assert DeploymentStep.objects.get(deployment=queued, name="handshake").state == "failed"


def test_phases_end_a_deployment_whose_worker_died(queued: Deployment) -> None:
    server = queued.server
    server.refresh_from_db()
    observe(server_id=server.pk, state=state_of(server, Phase.STARTING))
    queued.refresh_from_db()
    assert queued.is_active
    server.refresh_from_db()
    observe(server_id=server.pk, state=state_of(server, Phase.RUNNING))
    queued.refresh_from_db()
    assert queued.status == Deployment.Status.SUCCEEDED
