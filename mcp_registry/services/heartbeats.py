"""Heartbeats are compared with what is desired: what differs is put right, and the toolbox is told what is wanted of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from dtma_wire import Heartbeat, Phase, ServerState, Wanted
from mcp_registry.drift import Seen, found, seen_in
from mcp_registry.models import McpServer
from mcp_registry.services.metrics import store_usage, tells_news
from mcp_registry.services.observation import observe
from mcp_registry.services.repairs import repair
from mcp_registry.services.strays import note_strays
from mcp_registry.services.trials import recognise
from toolboxes.models import Toolbox
from toolboxes.services.heartbeats import Heard, record_heartbeat
from toolboxes.services.quiet_heartbeats import Beat, record_quiet

# Servers that are not plainly as desired by their toolbox's heartbeat; and, without a server, toolboxes that have what nobody knows.
CONSPICUOUS = """
SELECT told.toolbox, server.id
FROM unnest(%(toolboxes)s::uuid[], %(servers)s::text[]) AS told(toolbox, server)
FULL JOIN (SELECT * FROM mcp_registry_mcpserver WHERE toolbox_id = ANY(%(all)s)) AS server
    ON server.toolbox_id = told.toolbox AND server.id::text = told.server
WHERE server.id IS NULL OR told.server IS NULL OR server.observed_generation <> server.generation OR server.phase <> server.desired
UNION ALL SELECT toolbox_id, NULL FROM mcp_registry_stray WHERE toolbox_id = ANY(%(all)s)
"""
COMPARED = (
    *("toolbox_id", "desired", "generation", "phase", "observed_generation", "observed_revision", "exit_code", "keep_volumes"),
    *(f"deployment__{field}" for field in ("status", "code", "finished_at", "failures_before")),
)


@dataclass(frozen=True)
class Taken:
    """What became of a heartbeat that was stored.

    Where not all is ``known`` that it builds on, the toolbox must tell everything again; ``compared`` says whether that was done yet.
    """

    known: bool = True
    wanted: tuple[Wanted, ...] = ()
    compared: bool = True


def take_heartbeat(*, toolbox: Toolbox, heartbeat: Heartbeat) -> Taken:
    """Store a heartbeat and bring back what differs from what is desired; an overtaken one changes nothing."""
    heard = _record(toolbox, heartbeat)
    if heard is Heard.NEXT:
        return compare(toolbox=toolbox, heartbeat=heartbeat)
    return Taken(known=heard is Heard.OVERTAKEN)


@transaction.atomic
def _record(toolbox: Toolbox, heartbeat: Heartbeat) -> Heard:
    if not heartbeat.usage:
        return record_heartbeat(toolbox=toolbox, heartbeat=heartbeat)
    known = Toolbox.objects.select_for_update(no_key=True).values_list("epoch", "sequence").get(pk=toolbox.pk)
    heard = record_heartbeat(toolbox=toolbox, heartbeat=heartbeat)
    if heard is Heard.NEXT and tells_news(heartbeat, known):
        store_usage(told=[(toolbox.pk, timezone.now(), heartbeat)])
    return heard


def compare(*, toolbox: Toolbox, heartbeat: Heartbeat) -> Taken:
    """Store what a heartbeat tells of servers and put right what differs. Of one that nobody knows, the toolbox must tell all once."""
    reported = {state.id: state for state in heartbeat.servers}
    named = reported.keys() | set(heartbeat.unchanged)
    now = timezone.now()
    wanted = []
    for server in McpServer.objects.filter(toolbox=toolbox).select_related("deployment"):
        server_id = str(server.pk)
        seen = seen_in(heartbeat, server, reported.get(server_id), is_named=server_id in named)
        named.discard(server_id)
        if seen is None:
            continue
        _store(server, heartbeat, seen, reported.get(server_id))
        if found(server, seen, now):
            repair(server_id=server.pk, seen=seen)
        wanted += _wanted(server, seen)
    trials, needless = recognise(toolbox=toolbox, unknown=named)
    wanted += needless
    known = note_strays(toolbox=toolbox, unknown=named - trials, states=reported)
    return Taken(known=known, wanted=tuple(wanted))


def _store(server: McpServer, heartbeat: Heartbeat, seen: Seen, state: ServerState | None) -> None:
    if state is not None:
        if state.revision != server.observed_revision:
            observe(server_id=server.pk, state=state, from_heartbeat=True)
    elif not seen.is_there and _is_news(server):
        generation, revision = server.observed_generation, min(server.observed_revision, heartbeat.revision)
        gone = ServerState(id=str(server.pk), generation=generation, revision=revision, phase=Phase.ABSENT)
        observe(server_id=server.pk, state=gone, from_heartbeat=True)


def _is_news(server: McpServer) -> bool:
    """Whether it was there before, so that its absence must be stored."""
    return bool(server.observed_revision) and server.phase != Phase.ABSENT


def _wanted(server: McpServer, seen: Seen) -> list[Wanted]:
    if seen.generation >= server.generation:
        return []
    desired = McpServer.Desired(server.desired)
    removes = desired is McpServer.Desired.ABSENT and not server.keep_volumes  # as the push of it does (`carrying_out`)
    return [Wanted(id=str(server.pk), generation=server.generation, desired=desired.value, volumes="remove" if removes else "keep")]


def take_quiet(*, beats: Collection[Beat]) -> dict[UUID, Taken]:
    """Take what can be taken of a batch of heartbeats that tell of no server, one of each toolbox, with a few statements for all.

    One that is missing from the result is to be taken by itself (`take_heartbeat`), one that is not ``compared``, to be (`compare`).
    """
    with transaction.atomic():
        stored = record_quiet(beats=beats)
        heard = [beat for beat in beats if beat.toolbox in stored and tells_news(beat.heartbeat, stored[beat.toolbox])]
        store_usage(told=[(beat.toolbox, beat.at, beat.heartbeat) for beat in heard])
    return _compare_quietly([beat for beat in beats if beat.toolbox in stored]) if stored else {}


def _compare_quietly(beats: list[Beat]) -> dict[UUID, Taken]:
    of = {beat.toolbox: beat for beat in beats}
    with connection.cursor() as cursor:
        told = [(beat.toolbox, server_id) for beat in beats for server_id in beat.heartbeat.unchanged]
        values: dict[str, Any] = {
            "toolboxes": [toolbox for toolbox, _ in told],
            "servers": [server_id for _, server_id in told],
            "all": list(of),
        }
        cursor.execute(CONSPICUOUS, values)
        rows = cursor.fetchall()
    known_here = [server_id for _, server_id in rows if server_id is not None]
    servers = McpServer.objects.filter(pk__in=known_here).select_related("deployment").only(*COMPARED) if known_here else ()
    loud = {toolbox for toolbox, server_id in rows if server_id is None}
    wanted: dict[UUID, list[Wanted]] = {toolbox: [] for toolbox in of}
    now = timezone.now()
    for server in servers:
        heartbeat = of[server.toolbox_id].heartbeat
        seen = seen_in(heartbeat, server, None, is_named=str(server.pk) in heartbeat.unchanged)
        if seen is None:
            continue
        if found(server, seen, now) or (not seen.is_there and _is_news(server)):
            loud.add(server.toolbox_id)
        wanted[server.toolbox_id] += _wanted(server, seen)
    return {toolbox: Taken(wanted=tuple(wanted[toolbox]), compared=toolbox not in loud) for toolbox in of}
