"""What toolboxes report of servers: the only writer of a server's observed side and of its tools."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agentopia.lib import live
from dtma_wire import Phase, ServerState
from mcp_registry.clocks import ours
from mcp_registry.drift import EPOCH_SHIFT
from mcp_registry.models import McpServer, Tool
from mcp_registry.services.deployments import finish_deployment
from mcp_registry.services.drifts import note_transition
from mcp_registry.services.entry_tools import show_tools
from mcp_registry.services.listeners import tell_status_changed, tools_stored
from mcp_registry.services.metrics import note_restarts
from mcp_registry.status import status_of


@transaction.atomic
def observe(*, server_id: UUID, state: ServerState, from_heartbeat: bool = False) -> None:
    """Store what DTMA observes of a server, unless something newer is stored.

    Heartbeats come in order, so one from a lower epoch means that DTMA began anew and is believed.
    """
    # "No key": rows that refer to the server, its figures among them, can be written meanwhile.
    server = (
        McpServer.objects.select_for_update(of=("self",), no_key=True).select_related("deployment", "toolbox").filter(pk=server_id).first()
    )
    if server is None:
        return
    began_anew = from_heartbeat and state.revision >> EPOCH_SHIFT < server.observed_revision >> EPOCH_SHIFT
    if state.revision < server.observed_revision and not began_anew:
        return
    status = status_of(server)
    note_transition(server=server, state=state)
    _note_restarts(server, state)
    server.started_at = _started_at(server, state)
    server.phase = state.phase.value
    server.observed_generation, server.observed_revision, server.observed_at = state.generation, state.revision, timezone.now()
    server.reason, server.exit_code = state.reason, state.exit_code
    server.last_log = [line.model_copy(update={"ts": ours(server.toolbox, line.ts)}).model_dump(mode="json") for line in state.last_log]
    server.image, server.container = state.image, state.container
    server.restarts, server.protocol_version, server.server_info = state.restarts, state.protocol_version, state.server_info
    if state.tools is not None and state.tools_hash != server.tools_hash:
        _store_tools(server, state.tools)
        server.tools_hash = state.tools_hash
        if state.generation == server.generation:
            show_tools(server)
    server.save()
    deployment = server.deployment
    if deployment and deployment.is_active and deployment.generation == state.generation and _fulfils(server, state):
        finish_deployment(deployment=deployment)
    if status_of(server) != status:
        tell_status_changed(server.pk)
    live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))


def _note_restarts(server: McpServer, state: ServerState) -> None:
    """Those since it was last heard of; its toolbox's counter begins anew with each DTMA."""
    news = state.restarts - server.restarts if state.restarts >= server.restarts else state.restarts
    if news and server.observed_revision:
        note_restarts(toolbox_id=server.toolbox_id, server_id=server.pk, at=timezone.now(), restarts=news)


def _started_at(server: McpServer, state: ServerState) -> datetime | None:
    """By our clock, as it was when the container was first told of: the toolbox's may be set while it runs."""
    if state.started_at is None or (server.started_at is not None and server.container == state.container):
        return server.started_at if state.started_at is not None else None
    return ours(server.toolbox, state.started_at)


def _fulfils(server: McpServer, state: ServerState) -> bool:
    if server.desired == McpServer.Desired.RUNNING:
        return state.phase is Phase.RUNNING and server.tools_hash == state.tools_hash
    return server.desired == McpServer.Desired.STOPPED and state.phase is Phase.STOPPED


def _store_tools(server: McpServer, definitions: tuple[dict[str, Any], ...]) -> None:
    by_name = {str(definition.get("name", "")): definition for definition in definitions}
    before = dict(server.tools.values_list("name", "digest"))
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
    for listener in tools_stored:
        listener(server, before)


def _digest(definition: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
