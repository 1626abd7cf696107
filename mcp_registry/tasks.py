"""Celery tasks: parse an id, call one service."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from mcp_registry.services.carrying_out import carry_out
from mcp_registry.services.deployments import due_deployments, hand_over


@shared_task(name="mcp_registry.deploy")
def deploy(deployment_id: str) -> None:
    """Carry out one deployment."""
    carry_out(deployment_id=UUID(deployment_id))


@shared_task(name="mcp_registry.dispatch_due_deployments")
def dispatch_due_deployments() -> None:
    """Hand over what is due: deferred work, work of a killed worker, work that the broker lost."""
    for deployment_id in due_deployments(timezone.now()):
        hand_over(deployment_id)
