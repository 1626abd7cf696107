"""What toolboxes report: the only writer of a server's observed side and of its tools."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentopia.lib import live
from dtma_wire import Heartbeat, Phase, ServerState
from mcp_registry.models import Deployment, McpServer, Tool
from mcp_registry.services.deployments import (
    UNREACHABLE,
    finish_deployment,
    request_deployment,
)
from toolboxes.models import Toolbox
from toolboxes.services import Heard, record_heartbeat

EPOCH_SHIFT = 32  # a revision is DTMA's epoch, shifted, plus a counter


def take_heartbeat(*, toolbox: Toolbox, heartbeat: Heartbeat) -> bool:
    """Store a heartbeat and bring back what differs from what is desired; an overtaken one changes nothing.

    Returns False where the toolbox must tell everything again, because something that it builds on is not known.
    """
    heard = record_heartbeat(toolbox=toolbox, heartbeat=heartbeat)
    if heard is Heard.NEXT:
        _compare(toolbox, heartbeat)
    return heard is not Heard.GAP


def _compare(toolbox: Toolbox, heartbeat: Heartbeat) -> None:
    reported = {state.id: state for state in heartbeat.servers}
    unchanged = set(heartbeat.unchanged)
    for server in McpServer.objects.filter(toolbox=toolbox).select_related("deployment"):
        state = reported.get(str(server.pk))
        if state is not None:
            knows = state.generation
            if state.revision != server.observed_revision:
                observe(server_id=server.pk, state=state, from_heartbeat=True)
        elif str(server.pk) in unchanged:
            knows = server.observed_generation
        elif server.observed_revision > heartbeat.revision:
            continue  # the toolbox took it on after it had composed this heartbeat
        else:
            knows = 0
            _note_absence(server)
        if _wants_repair(server, knows):
            repair(server_id=server.pk, knows=knows)


def _note_absence(server: McpServer) -> None:
    if server.observed_revision and server.phase != Phase.ABSENT:
        generation, revision = server.observed_generation, server.observed_revision
        observe(server_id=server.pk, state=ServerState(id=str(server.pk), generation=generation, revision=revision, phase=Phase.ABSENT))


@transaction.atomic
def observe(*, server_id: UUID, state: ServerState, from_heartbeat: bool = False) -> None:
    """Store what DTMA observes of a server, unless something newer is stored.

    Heartbeats come in order, so one from a lower epoch means that DTMA began anew and is believed.
    """
    server = McpServer.objects.select_for_update(of=("self",)).select_related("deployment").filter(pk=server_id).first()
    if server is None:
        return
    began_anew = from_heartbeat and state.revision >> EPOCH_SHIFT < server.observed_revision >> EPOCH_SHIFT
    if state.revision < server.observed_revision and not began_anew:
        return
    server.phase = state.phase.value
    server.observed_generation, server.observed_revision, server.observed_at = state.generation, state.revision, timezone.now()
    server.reason, server.exit_code = state.reason, state.exit_code
    server.last_log = [line.model_dump(mode="json") for line in state.last_log]
    server.image, server.container, server.started_at = state.image, state.container, state.started_at
    server.restarts, server.protocol_version, server.server_info = state.restarts, state.protocol_version, state.server_info
    if state.tools is not None and state.tools_hash != server.tools_hash:
        _store_tools(server, state.tools)
        server.tools_hash = state.tools_hash
    server.save()
    deployment = server.deployment
    if deployment and deployment.is_active and deployment.generation == state.generation and _fulfils(server, state):
        finish_deployment(deployment=deployment)
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))


def _fulfils(server: McpServer, state: ServerState) -> bool:
    if server.desired == McpServer.Desired.RUNNING:
        return state.phase is Phase.RUNNING and server.tools_hash == state.tools_hash
    return server.desired == McpServer.Desired.STOPPED and state.phase is Phase.STOPPED


def _store_tools(server: McpServer, definitions: tuple[dict[str, Any], ...]) -> None:
    by_name = {str(definition.get("name", "")): definition for definition in definitions}
    server.tools.exclude(name__in=by_name).delete()
    Tool.objects.bulk_create(
        [
            Tool(server=server, name=name, position=position, definition=definition, digest=_digest(definition))
            for position, (name, definition) in enumerate(by_name.items())
        ],
        update_conflicts=True,
        unique_fields=("server", "name"),
        update_fields=("position", "definition", "digest"),
    )


def _digest(definition: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def repair(*, server_id: UUID, knows: int) -> None:
    """Ask for a deployment where the toolbox knows an older generation than is desired (0: none at all) and nobody works on it."""
    server = McpServer.objects.select_for_update(of=("self",)).select_related("deployment").filter(pk=server_id).first()
    if server and _wants_repair(server, knows):
        gone = server.desired == McpServer.Desired.ABSENT
        request_deployment(server=server, kind=Deployment.Kind.DELETE if gone else Deployment.Kind.REPAIR)


def _wants_repair(server: McpServer, knows: int) -> bool:
    """A failed deployment is left to the user, since it would only fail again; but not one that failed because the toolbox was away."""
    if knows >= server.generation:
        return False
    if server.desired == McpServer.Desired.STOPPED and not knows:
        return False  # what is not there does not run
    last = server.deployment
    return last is None or not (last.is_active or (last.status == Deployment.Status.FAILED and last.code != UNREACHABLE))
