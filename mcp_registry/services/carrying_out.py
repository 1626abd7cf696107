"""Carrying out a deployment: the conversation with a toolbox.

Safe to run twice, and to be killed anywhere: the claim lets one worker in, DTMA's PUT is idempotent, and what was not
recorded is told again by the next PUT or heartbeat.
"""

from __future__ import annotations

import asyncio
from typing import Literal
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from agentopia.lib import live
from agentopia.lib.errors import AgentopiaError
from dtma_client import DtmaClient, DtmaError, DtmaUnreachable, ServerNotFound, StaleGeneration
from dtma_wire import Phase, ServerSpec, ServerState, Settled
from mcp_registry.models import Deployment, McpServer
from mcp_registry.neighbours import refuse_others, upgrade, wire_version_of
from mcp_registry.services.deployments import (
    LEASE,
    UNREACHABLE,
    claim_deployment,
    defer_deployment,
    finish_deployment,
    record_progress,
    renew_lease,
)
from mcp_registry.services.kept_data import keep_data_of
from mcp_registry.services.observation import observe
from mcp_registry.services.repairs import go_beyond
from mcp_registry.services.trials import remove_from, settle_trial, spec_of_trial, trial_id_of, trials_left
from mcp_registry.spec import spec_of
from toolboxes.dtma import as_agentopia_error, dtma_of

TOO_OLD = "dtma_too_old"
"""What a spec for an older DTMA fails with where that lacks a feature."""


def carry_out(*, deployment_id: UUID) -> None:
    """Claim a deployment and bring its server to what is desired; does nothing where another worker has it."""
    deployment = claim_deployment(deployment_id=deployment_id)
    if deployment is None:
        return
    server = deployment.server
    try:
        refuse_others(server.toolbox)
        # Runs the asynchronous conversation with the database work coming back to this thread.
        async_to_sync(_converse)(deployment, _spec(deployment))
    except StaleGeneration as stale:
        if deployment.kind == Deployment.Kind.TRIAL:  # it was removed already, since nobody needs it any more
            finish_deployment(deployment=deployment, problem="It was removed before it was ready.", code="trial_removed")
        else:
            go_beyond(deployment=deployment, known=stale.generation)
    except DtmaError as error:
        told = as_agentopia_error(error, server.toolbox)
        if error.retryable:
            code = UNREACHABLE if isinstance(error, DtmaUnreachable) else told.code
            defer_deployment(deployment=deployment, problem=told.message, code=code)
        else:
            how = f" {upgrade(server.toolbox)}" if told.code == TOO_OLD else ""
            finish_deployment(deployment=deployment, problem=told.message + how, code=told.code)
    except AgentopiaError as error:
        if error.retryable:  # no machine is this toolbox now; another may become it
            defer_deployment(deployment=deployment, problem=error.message, code=UNREACHABLE)
        else:
            finish_deployment(deployment=deployment, problem=error.message, code=error.code)


def _spec(deployment: Deployment) -> ServerSpec | None:
    """What the toolbox is to be given; None where it is only told to stop or to delete."""
    if deployment.kind == Deployment.Kind.TRIAL:
        return spec_of_trial(deployment)
    return None if _is_simple(deployment) else spec_of(deployment.server)


def _is_simple(deployment: Deployment) -> bool:
    return deployment.kind in (Deployment.Kind.STOP, Deployment.Kind.DELETE)


async def _converse(deployment: Deployment, spec: ServerSpec | None) -> None:
    work = asyncio.create_task(_work(deployment, spec))
    lease = asyncio.create_task(_hold_lease(deployment))
    try:
        done, _ = await asyncio.wait((work, lease), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (work, lease):
            task.cancel()
        await asyncio.gather(work, lease, return_exceptions=True)


async def _hold_lease(deployment: Deployment) -> None:
    """Returns when the work is no longer ours: the user changed the server again, or our lease ran out and another took it."""
    while await sync_to_async(renew_lease)(deployment=deployment):  # noqa: ASYNC110 (the condition lies in the database)
        await asyncio.sleep(LEASE.total_seconds() / 4)


async def _work(deployment: Deployment, spec: ServerSpec | None) -> None:
    server = deployment.server
    async with dtma_of(server.toolbox) as dtma:
        if deployment.kind == Deployment.Kind.DELETE:
            for trial in await sync_to_async(trials_left)(server):
                await remove_from(dtma, trial)
            volumes: Literal["keep", "remove"] = "keep" if server.keep_volumes else "remove"
            await dtma.delete(str(server.pk), volumes=volumes, generation=deployment.generation)
            await sync_to_async(_forget)(deployment)
        elif spec is None:
            await _stop(dtma, deployment)
        else:
            await _put(dtma, deployment, spec)


async def _stop(dtma: DtmaClient, deployment: Deployment) -> None:
    try:
        state = await dtma.stop(str(deployment.server_id), generation=deployment.generation)
    except ServerNotFound:  # it lost everything: what is told is what it is to have, without running it
        await _put(dtma, deployment, spec_of(deployment.server))
    else:
        await sync_to_async(_settle)(deployment, state)


async def _put(dtma: DtmaClient, deployment: Deployment, spec: ServerSpec) -> None:
    server_id = str(trial_id_of(deployment) or deployment.server_id)
    async for event in dtma.put_server(server_id, spec, wire_version_of(deployment.server.toolbox)):
        if isinstance(event, Settled):
            await sync_to_async(_settle)(deployment, event.server)
        else:
            await sync_to_async(record_progress)(deployment=deployment, progress=event)


def _settle(deployment: Deployment, state: ServerState) -> None:
    is_trial = deployment.kind == Deployment.Kind.TRIAL
    if not is_trial:
        observe(server_id=deployment.server_id, state=state)
    if state.phase is Phase.UNKNOWN:
        defer_deployment(deployment=deployment, problem=state.reason, code="engine_unavailable")
    elif is_trial:
        settle_trial(deployment=deployment, state=state)
    elif state.phase in (Phase.RUNNING, Phase.STOPPED):
        finish_deployment(deployment=deployment)
    else:
        finish_deployment(deployment=deployment, problem=state.reason or "The server did not become ready.", code="not_ready")


@transaction.atomic
def _forget(deployment: Deployment) -> None:
    """The toolbox has confirmed that the server is gone, as it was wanted in this generation; another one is confirmed by itself."""
    server = deployment.server
    gone = McpServer.objects.select_for_update(of=("self",)).filter(
        pk=server.pk, desired=McpServer.Desired.ABSENT, generation=deployment.generation
    )
    for row in gone:
        if row.keep_volumes:
            keep_data_of(row)
        row.delete()
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))
