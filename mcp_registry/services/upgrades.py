"""What the user wants of upgrades: one is asked for, approved, or ended. What follows from it is `upgrade_course`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.models import User
from agentopia.lib import live
from agentopia.lib.errors import Conflict, NotFound
from mcp_registry.models import EntryVersion, McpServer, Upgrade
from mcp_registry.selectors import server_for
from mcp_registry.services.entries import document_of
from mcp_registry.services.trials import begin_trial, trial_of
from mcp_registry.services.upgrade_course import switch
from mcp_registry.services.upgrade_endings import end_upgrade, unfinished_upgrade_of
from mcp_registry.spec import checked_values, spec_of
from mcp_registry.upgrading.offers import is_offered, word_on
from mcp_registry.upgrading.plan import Plan, plan_of
from mcp_registry.upgrading.room import refuse_without_room


def plan_for(server: McpServer, version: str = "") -> Plan:
    """What going to a version of the server's entry would mean, the newest one unless another is named.

    Raises `Conflict` where the catalogue offers none, and `NotFound` for a version that it has not.
    """
    entry = server.entry
    if entry is None or not is_offered(entry, server.owner_id):
        raise Conflict(word_on(server), code="no_versions")
    try:
        return plan_of(server, document_of(entry, version))
    except EntryVersion.DoesNotExist:
        raise NotFound(f"“{entry}” has no version {version}.", code="version_not_found") from None


def request_upgrade(
    *,
    owner: User,
    server_id: UUID | str,
    version: str = "",
    config: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    ask: bool = True,
    trial: bool = True,
) -> Upgrade:
    """Take a server to another version of its entry, older ones too; the newest unless named.

    It is tried out beside the server first, unless ``trial`` is False; where tools are gone or changed then, it waits for a decision if
    ``ask``. ``config`` and ``secrets`` add to what is set, and an empty value takes it away. Raises `NotFound`, `InvalidInput` for
    settings that are missing or wrong, and `Conflict` where it has that version, is busy, or there is no room for a trial.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two trials must not be promised the same room
        server = _locked(owner, server_id)
        plan = plan_for(server, version)
        _refuse_unready(server, plan)
        clean_config, clean_secrets = checked_values(plan.package, {**plan.config, **(config or {})}, {**plan.secrets, **(secrets or {})})
        upgrade = Upgrade(
            server=server,
            by=owner,
            from_version=server.version,
            to_version=plan.version,
            manifest=plan.document,
            package=plan.index,
            config=clean_config,
            secrets=clean_secrets,
            ask=ask,
            trial_gone=not trial,
        )
        spec_of(trial_of(upgrade))  # what no toolbox could run is refused here
        refuse_without_room(server, plan, trial=trial)
        upgrade.save(force_insert=True)
        audit.record(
            action="server.upgrade_asked",
            target=server,
            owner=owner,
            summary="" if trial else "without a trial",
            changes={"version": [server.version, plan.version]},
        )
        if trial:
            begin_trial(upgrade=upgrade)
        else:
            switch(upgrade=upgrade)
        _announce(server)
    return upgrade


@transaction.atomic
def approve_upgrade(*, owner: User, server_id: UUID | str) -> Upgrade:
    """Switch to the version that was tried, though tools of it are gone or changed. Raises `Conflict` where nothing waits for that."""
    server = _locked(owner, server_id)
    upgrade = unfinished_upgrade_of(server)
    if upgrade is None or upgrade.status != Upgrade.Status.ASKING:
        raise Conflict(f"No upgrade of “{server.name}” waits for a decision.", code="nothing_to_approve")
    upgrade.server = server
    audit.record(action="server.upgrade_approved", target=server, owner=owner, summary=str(upgrade))
    switch(upgrade=upgrade)
    _announce(server)
    return upgrade


@transaction.atomic
def cancel_upgrade(*, owner: User, server_id: UUID | str) -> Upgrade:
    """Keep the version that it has. Raises `Conflict` where nothing goes on, or it is being switched already."""
    server = _locked(owner, server_id)
    upgrade = unfinished_upgrade_of(server)
    if upgrade is None:
        raise Conflict(f"No upgrade of “{server.name}” goes on.", code="nothing_to_cancel")
    if upgrade.status not in (Upgrade.Status.TRYING, Upgrade.Status.ASKING):
        raise Conflict(f"“{server.name}” is being switched in this moment. Wait for the end of it.", code="upgrade_switching")
    upgrade.server = server
    audit.record(action="server.upgrade_cancelled", target=server, owner=owner, summary=str(upgrade))
    end_upgrade(upgrade=upgrade, status=Upgrade.Status.CANCELLED, problem=f"You kept {upgrade.from_version}.")
    return upgrade


def _locked(owner: User, server_id: UUID | str) -> McpServer:
    found = server_for(owner, server_id)
    rows = McpServer.objects.select_for_update(of=("self",)).select_related("toolbox", "deployment", "entry", "owner")
    server = rows.filter(pk=found.pk).first()
    if server is None:
        raise NotFound("You have no such server; it may have been deleted.", code="server_not_found")
    return server


def _refuse_unready(server: McpServer, plan: Plan) -> None:
    if server.desired == McpServer.Desired.ABSENT:
        raise Conflict(f"“{server.name}” is being deleted.", code="server_deleting")
    if plan.version == server.version:
        raise Conflict(f"“{server.name}” is at version {server.version} already.", code="same_version")
    if unfinished_upgrade_of(server) is not None:
        raise Conflict(f"An upgrade of “{server.name}” goes on already.", code="upgrade_under_way")
    if server.deployment is not None and server.deployment.is_active:
        raise Conflict(f"“{server.name}” is being changed in this moment. Wait until that is done.", code="server_busy")


def _announce(server: McpServer) -> None:
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))
