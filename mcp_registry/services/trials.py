"""Trials: another version of a server, run beside it for a minute under an id of its own, with empty volumes, and removed for certain.

A trial has no row of a server. The deployment of kind ``trial`` brings it up; `remove_trial` takes it away, again and again until its
toolbox has confirmed that; and one that a heartbeat still names when it should be gone is removed because of that.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agentopia.lib.errors import Unavailable
from dtma_client import DtmaClient, DtmaError
from dtma_wire import Phase, ServerSpec, ServerState, Wanted
from mcp_registry.clocks import ours
from mcp_registry.models import Deployment, McpServer, Upgrade
from mcp_registry.services.deployments import finish_deployment, queue_deployment
from mcp_registry.spec import spec_of
from mcp_registry.upgrading.tool_changes import compare
from toolboxes.dtma import dtma_of
from toolboxes.models import Toolbox

GENERATION = 1
"""Of a trial's spec, always: the same one again joins what goes on. It is removed with the one after that."""
AGAIN_AFTER = timedelta(seconds=45)
"""Between attempts to remove one: longer than an attempt takes."""
NEEDLESS = ~Q(status=Upgrade.Status.TRYING)


def trial_of(upgrade: Upgrade) -> McpServer:
    """The row that the trial would have if it were a server of its own; never saved."""
    server = upgrade.server
    return McpServer(
        id=upgrade.trial_server,
        owner_id=server.owner_id,
        toolbox=server.toolbox,
        name=f"{server.name[:57]}-trial",
        manifest=upgrade.manifest,
        package=upgrade.package,
        config=upgrade.config,
        overrides=server.overrides,
        secrets=upgrade.secrets,
        generation=GENERATION,
        desired=McpServer.Desired.RUNNING,
    )


def begin_trial(*, upgrade: Upgrade) -> None:
    """Ask for it, within the caller's transaction."""
    upgrade.trial = queue_deployment(server=upgrade.server, kind=Deployment.Kind.TRIAL)
    upgrade.save(update_fields=("trial",))


def trial_id_of(deployment: Deployment) -> UUID | None:
    """Under which id a deployment of kind ``trial`` brings up what it tries; None for every other kind."""
    return deployment.trial_of.trial_server if deployment.kind == Deployment.Kind.TRIAL else None


def spec_of_trial(deployment: Deployment) -> ServerSpec:
    """The spec of what it tries."""
    upgrade = deployment.trial_of
    upgrade.server = deployment.server
    return spec_of(trial_of(upgrade))


@transaction.atomic
def settle_trial(*, deployment: Deployment, state: ServerState) -> None:
    """What became of it: its tools are compared with those that the server has, or the reason is kept."""
    if state.phase is Phase.RUNNING and state.tools is not None:
        server = deployment.server
        known = list(server.tools.values_list("definition", flat=True)) if server.tools_hash else None
        difference = None if known is None else compare(known, state.tools).as_json()
        Upgrade.objects.filter(trial=deployment).update(difference=difference)
        finish_deployment(deployment=deployment)
    else:
        toolbox = deployment.server.toolbox
        lines = [line.model_copy(update={"ts": ours(toolbox, line.ts)}).model_dump(mode="json") for line in state.last_log]
        Upgrade.objects.filter(trial=deployment).update(last_log=lines)
        finish_deployment(deployment=deployment, problem=state.reason or "It did not become ready.", code="not_ready")


def due_removals(now: datetime) -> list[UUID]:
    """Trials that nobody needs any more, whose toolbox has not confirmed that they are gone."""
    return list(Upgrade.objects.filter(NEEDLESS, trial_gone=False, removal_after__lte=now).values_list("pk", flat=True)[:100])


def remove_trial(*, upgrade_id: UUID) -> None:
    """Remove a trial that is not needed, if that is due; where its toolbox does not answer, it is due again later. Safe to do twice."""
    now = timezone.now()
    due = Upgrade.objects.filter(NEEDLESS, pk=upgrade_id, trial_gone=False, removal_after__lte=now)
    if not due.update(removal_after=now + AGAIN_AFTER):
        return
    upgrade = Upgrade.objects.select_related("server__toolbox").get(pk=upgrade_id)
    try:
        async_to_sync(_remove)(upgrade)
    except (DtmaError, Unavailable):
        return
    Upgrade.objects.filter(pk=upgrade_id).update(trial_gone=True)


async def _remove(upgrade: Upgrade) -> None:
    async with dtma_of(upgrade.server.toolbox) as dtma:
        await remove_from(dtma, upgrade.trial_server)


async def remove_from(dtma: DtmaClient, trial: UUID) -> None:
    """Remove a trial with its volumes."""
    await dtma.delete(str(trial), volumes="remove", generation=GENERATION + 1)


def trials_left(server: McpServer) -> list[UUID]:
    """The trials of a server that may still be on its toolbox: they go before its row does, for nobody knows them afterwards."""
    return list(server.upgrades.filter(trial_gone=False).values_list("trial_server", flat=True))


def recognise(*, toolbox: Toolbox, unknown: Collection[str]) -> tuple[set[str], list[Wanted]]:
    """Which of the ids in a heartbeat that no server has are trials, and what is wanted of those: that one which is not needed goes."""
    ids = [server_id for server_id in unknown if _is_id(server_id)]
    if not ids:
        return set(), []
    upgrades = list(Upgrade.objects.filter(trial_server__in=ids, server__toolbox=toolbox).only("trial_server", "status", "trial_gone"))
    needless = [upgrade for upgrade in upgrades if upgrade.status != Upgrade.Status.TRYING]
    if back := [upgrade.pk for upgrade in needless if upgrade.trial_gone]:  # of a worker that was slow to hear of the end
        Upgrade.objects.filter(pk__in=back).update(trial_gone=False, removal_after=timezone.now())
    wanted = [Wanted(id=str(upgrade.trial_server), generation=GENERATION + 1, desired="absent", volumes="remove") for upgrade in needless]
    return {str(upgrade.trial_server) for upgrade in upgrades}, wanted


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
