"""Celery tasks: parse an id, call one service."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from agentopia.lib import leases
from mcp_registry.services import metrics, registries
from mcp_registry.services.carrying_out import carry_out
from mcp_registry.services.deployments import due_deployments, hand_over
from mcp_registry.services.trials import due_removals, remove_trial
from mcp_registry.services.upgrade_course import advance_upgrade, unfinished_upgrades


@shared_task(name="mcp_registry.deploy")
def deploy(deployment_id: str) -> None:
    """Carry out one deployment."""
    carry_out(deployment_id=UUID(deployment_id))


@shared_task(name="mcp_registry.dispatch_due_deployments")
def dispatch_due_deployments() -> None:
    """Hand over what is due: deferred work, work of a killed worker, work that the broker lost."""
    for deployment_id in due_deployments(timezone.now()):
        hand_over(deployment_id)


@shared_task(name="mcp_registry.advance_upgrade")
def advance_one_upgrade(server_id: str) -> None:
    """Take one server's upgrade as far as it gets now."""
    advance_upgrade(server_id=UUID(server_id))


@shared_task(name="mcp_registry.remove_trial")
def remove_one_trial(upgrade_id: str) -> None:
    """Remove what one upgrade tried."""
    remove_trial(upgrade_id=UUID(upgrade_id))


@shared_task(name="mcp_registry.look_after_upgrades")
def look_after_upgrades() -> None:
    """Go on with what nobody told a worker of, and hand over the trials that are still to be removed."""
    for server_id in unfinished_upgrades():
        advance_upgrade(server_id=server_id)
    for upgrade_id in due_removals(timezone.now()):
        leases.hand_over("mcp_registry.remove_trial", upgrade_id)


@shared_task(name="mcp_registry.roll_up_metrics")
def roll_up_metrics() -> None:
    """Make the coarser figures of what has passed."""
    metrics.roll_up(now=timezone.now())


@shared_task(name=registries.TASK)
def sync_registry(registry_id: str) -> None:
    """Get on with one registry's round."""
    registries.sync(registry_id=UUID(registry_id))


@shared_task(name="mcp_registry.dispatch_due_registries")
def dispatch_due_registries() -> None:
    """Hand over the rounds that are due, and those of killed workers."""
    for registry_id in registries.due_registries(timezone.now()):
        leases.hand_over(registries.TASK, registry_id)
