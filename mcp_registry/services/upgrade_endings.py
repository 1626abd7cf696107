"""How upgrades end, and end early: by their own course, by the user, or because the user changed the server otherwise."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentopia.lib import leases, live
from mcp_registry.models import Deployment, DeploymentStep, McpServer, Upgrade

CHANGED_MEANWHILE = {
    Upgrade.Status.TRYING: "You changed the server before {to} had been tried out, so it was left at {here}.",
    Upgrade.Status.ASKING: "You changed the server before you had decided on {to}, so it was left at {here}.",
    Upgrade.Status.SWITCHING: "You changed the server while it was being switched. It stays at {to}.",
    Upgrade.Status.ROLLING_BACK: "You changed the server while it was going back. It stays at {here}.",
}


def unfinished_upgrade_of(server: McpServer) -> Upgrade | None:
    """The one that goes on, locked until the end of the transaction; the server's row is locked before it."""
    return Upgrade.objects.select_for_update(of=("self",)).filter(server=server, status__in=Upgrade.UNFINISHED).first()


def end_upgrade(*, upgrade: Upgrade, status: Upgrade.Status, problem: str = "") -> None:
    """End it, within the caller's transaction. Its secrets go, and so does its trial, as soon as the toolbox can be told."""
    upgrade.status, upgrade.problem, upgrade.finished_at = status, problem, timezone.now()
    upgrade.secrets = {}
    upgrade.save(update_fields=("status", "problem", "finished_at", "secrets"))
    if upgrade.trial_id is not None:
        _drop_deployment(upgrade.trial_id)
    drop_trial(upgrade=upgrade)
    live.publish(live.server_group(upgrade.server_id), live.owner_group(upgrade.server.owner_id))


def drop_trial(*, upgrade: Upgrade) -> None:
    """Have the trial removed once the transaction is committed, if there is one."""
    if upgrade.trial_gone:
        return
    Upgrade.objects.filter(pk=upgrade.pk).update(removal_after=timezone.now())
    transaction.on_commit(lambda: leases.hand_over("mcp_registry.remove_trial", upgrade.pk))


def cancel_for_change(*, server: McpServer) -> None:
    """The user changes the server otherwise, within the caller's transaction: what goes on ends there."""
    upgrade = unfinished_upgrade_of(server)
    if upgrade is not None:
        sentence = CHANGED_MEANWHILE[Upgrade.Status(upgrade.status)].format(here=upgrade.from_version, to=upgrade.to_version)
        end_upgrade(upgrade=upgrade, status=Upgrade.Status.CANCELLED, problem=sentence)


def _drop_deployment(deployment_id: UUID) -> None:
    now = timezone.now()
    Deployment.objects.filter(leases.UNFINISHED, pk=deployment_id).update(
        status=Deployment.Status.SUPERSEDED, finished_at=now, lease_until=None
    )
    DeploymentStep.objects.filter(deployment_id=deployment_id, finished_at=None).update(state=DeploymentStep.State.FAILED, finished_at=now)
