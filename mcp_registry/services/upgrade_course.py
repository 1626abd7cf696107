"""The course of an upgrade: what follows from how its deployments ended. Safe to be asked at any time, by several workers at once.

Each step is one transaction that locks the server's row, and then the upgrade's. What a step sees is in the database alone, so a worker
that is killed anywhere leaves nothing to be tidied up: the next one to ask goes on.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from mcp_registry.manifest import parse_manifest
from mcp_registry.models import Deployment, McpServer, Revision, Upgrade
from mcp_registry.services.configuration import respecify
from mcp_registry.services.revisions import note_revision, specification_of
from mcp_registry.services.upgrade_endings import drop_trial, end_upgrade, unfinished_upgrade_of
from mcp_registry.upgrading.outcome import Outcome, Verdict, outcome_of
from mcp_registry.upgrading.tool_changes import Changes
from toolboxes.models import ToolboxEvent
from toolboxes.services import events

UNTRIED = "The trial ended before it told anything."


def unfinished_upgrades() -> list[UUID]:
    """The servers whose upgrades may have something to go on with."""
    going_on = Upgrade.objects.filter(status__in=Upgrade.UNFINISHED).exclude(status=Upgrade.Status.ASKING)
    return list(going_on.values_list("server_id", flat=True)[:200])


@transaction.atomic
def advance_upgrade(*, server_id: UUID) -> None:
    """Take the upgrade of a server as far as it gets now; does nothing where nothing has happened."""
    server = McpServer.objects.select_for_update(of=("self",)).select_related("deployment", "toolbox", "owner").filter(pk=server_id).first()
    upgrade = unfinished_upgrade_of(server) if server is not None else None
    if server is None or upgrade is None:
        return
    upgrade.server = server
    if upgrade.status == Upgrade.Status.TRYING:
        _after_trial(upgrade)
    elif upgrade.status == Upgrade.Status.SWITCHING:
        _after_switch(upgrade, outcome_of(server))
    elif upgrade.status == Upgrade.Status.ROLLING_BACK:
        _after_rollback(upgrade, outcome_of(server))


def _after_trial(upgrade: Upgrade) -> None:
    trial = upgrade.trial
    if trial is not None and trial.is_active:
        return
    if trial is None or trial.status != Deployment.Status.SUCCEEDED:
        problem = trial.detail if trial is not None else ""
        end_upgrade(upgrade=upgrade, status=Upgrade.Status.FAILED, problem=problem or UNTRIED)
        _tell(upgrade, f"{upgrade.to_version} was tried beside it and did not become ready. It was left at {upgrade.from_version}.")
        return
    if upgrade.ask and upgrade.difference is not None and Changes.of_json(upgrade.difference).breaks:
        upgrade.status = Upgrade.Status.ASKING
        upgrade.save(update_fields=("status",))
        drop_trial(upgrade=upgrade)
        _tell(upgrade, f"{upgrade.to_version} has tools that are gone or changed. Look at them and decide.")
    else:
        switch(upgrade=upgrade)


def switch(*, upgrade: Upgrade) -> None:
    """Make the server the new version, within the caller's transaction, which has locked it; what it was can be gone back to."""
    server = upgrade.server
    volumes = {volume.name for volume in parse_manifest(upgrade.manifest).profile.volumes}
    content = {
        "manifest": upgrade.manifest,
        "package": upgrade.package,
        "config": upgrade.config,
        "secrets": upgrade.secrets,
        "shared_volumes": {volume: name for volume, name in server.shared_volumes.items() if volume in volumes},
    }
    upgrade.previous_generation = _present_revision(server).generation
    summary = f"From version {upgrade.from_version} to {upgrade.to_version}"
    upgrade.switch = respecify(
        server=server, content=content, kind=Deployment.Kind.UPGRADE, by=upgrade.by, summary=summary, of_upgrade=True
    )
    upgrade.status = Upgrade.Status.SWITCHING
    upgrade.save(update_fields=("status", "switch", "previous_generation"))
    drop_trial(upgrade=upgrade)


def _after_switch(upgrade: Upgrade, outcome: Outcome) -> None:
    if outcome.verdict is Verdict.READY:
        end_upgrade(upgrade=upgrade, status=Upgrade.Status.DONE)
    elif outcome.verdict is Verdict.FAILED:
        _roll_back(upgrade, outcome.reason)


def _roll_back(upgrade: Upgrade, reason: str) -> None:
    """Make the server what it was before, by itself: nobody asked for that."""
    server = upgrade.server
    revision = server.revisions.get(generation=upgrade.previous_generation or 0)
    summary = f"Back to version {upgrade.from_version} by itself, since {upgrade.to_version} did not become ready: {reason}"
    upgrade.back = respecify(
        server=server,
        content=specification_of(revision),
        kind=Deployment.Kind.ROLLBACK,
        by=None,
        summary=summary,
        of_upgrade=True,
    )
    upgrade.status, upgrade.problem = Upgrade.Status.ROLLING_BACK, reason
    upgrade.save(update_fields=("status", "problem", "back"))
    _tell(upgrade, f"{upgrade.to_version} did not become ready, so it goes back to {upgrade.from_version}. {reason}")


def _after_rollback(upgrade: Upgrade, outcome: Outcome) -> None:
    if outcome.verdict is Verdict.READY:
        end_upgrade(upgrade=upgrade, status=Upgrade.Status.ROLLED_BACK, problem=upgrade.problem)
    elif outcome.verdict is Verdict.FAILED:
        both = f"{upgrade.problem} Then {upgrade.from_version} did not come back either: {outcome.reason}"
        end_upgrade(upgrade=upgrade, status=Upgrade.Status.ROLLED_BACK, problem=both)
        _tell(upgrade, f"{upgrade.from_version} did not come back either: {outcome.reason}")


def _present_revision(server: McpServer) -> Revision:
    """What the server is made from now."""
    revision = server.revisions.filter(generation__lte=server.generation).first()
    return revision or note_revision(server=server, by=None, summary="As it was before the upgrade")


def _tell(upgrade: Upgrade, sentence: str) -> None:
    """A line in the toolbox's history: what happened without anybody's doing is told there too."""
    text = f"{upgrade.server.name}: {sentence}"
    events.record(toolbox=upgrade.server.toolbox, kind="upgrade", severity=ToolboxEvent.Severity.WARNING, text=text)
