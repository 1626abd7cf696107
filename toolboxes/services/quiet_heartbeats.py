"""Heartbeats in which nothing happened, many at once: nearly all of them are.

What `heartbeats.record_heartbeat` does for one is done here by one statement for a whole batch. It takes those that are certainly next of
their toolbox, under a certificate that counts, and tell nothing that anybody must be told of; all others it leaves alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from agentopia.lib import live
from dtma_wire import Heartbeat
from toolboxes.models import Metric, Toolbox, ToolboxEvent
from toolboxes.services.heartbeats import CLOCK_OFF_SECONDS
from toolboxes.services.listeners import tell_reporting_changed
from toolboxes.services.metrics import place

# A row that somebody else holds is not waited for: the others would wait with it.
RECORD = """
WITH beat AS (
    SELECT * FROM jsonb_to_recordset(%(beats)s::jsonb) AS beat(
        toolbox uuid, serial text, epoch bigint, sequence bigint, since bigint, at timestamptz, skew double precision,
        info jsonb, load jsonb, slot smallint, begin timestamptz
    )
), before AS (
    SELECT id, shown_silent, epoch, sequence FROM toolboxes_toolbox WHERE id IN (SELECT toolbox FROM beat) FOR NO KEY UPDATE SKIP LOCKED
), heard AS (
    UPDATE toolboxes_toolbox AS known SET
        epoch = beat.epoch, sequence = beat.sequence, last_seen_at = beat.at, skew_seconds = beat.skew, shown_silent = false,
        info = beat.info, load = coalesce(beat.load, known.load)
    FROM before, beat, toolboxes_certificate AS certificate
    WHERE known.id = before.id AND known.id = beat.toolbox AND known.deleted_at IS NULL AND known.last_seen_at IS NOT NULL
        AND certificate.toolbox_id = known.id AND certificate.serial = beat.serial
        AND certificate.revoked_at IS NULL AND certificate.not_after > beat.at
        AND (beat.epoch, beat.sequence) > (known.epoch, known.sequence)
        AND beat.since <= CASE WHEN known.epoch = beat.epoch THEN known.sequence ELSE 0 END
        AND beat.info ->> 'engine_problem' = coalesce(known.info ->> 'engine_problem', '')
        AND beat.info ->> 'dtma_version' = known.info ->> 'dtma_version'
        AND (abs(beat.skew) <= %(clock_off)s OR abs(known.skew_seconds) > %(clock_off)s)
    RETURNING known.id, known.owner_id, before.shown_silent AS was_silent, before.epoch AS epoch_before, before.sequence AS sequence_before
), measured AS (
    INSERT INTO toolboxes_metric (toolbox_id, resolution, slot, at, cpu_percent, load, memory_used_bytes, disk_used_bytes)
    SELECT heard.id, %(raw)s, beat.slot, beat.begin,
        (beat.load ->> 'cpu_percent')::double precision, (beat.load ->> 'load')::double precision,
        (beat.load ->> 'memory_used_bytes')::bigint, (beat.load ->> 'disk_used_bytes')::bigint
    FROM heard JOIN beat ON beat.toolbox = heard.id WHERE beat.load IS NOT NULL
    ON CONFLICT (toolbox_id, resolution, slot) DO UPDATE SET
        at = excluded.at, cpu_percent = excluded.cpu_percent, load = excluded.load,
        memory_used_bytes = excluded.memory_used_bytes, disk_used_bytes = excluded.disk_used_bytes
)
SELECT id, owner_id, was_silent, epoch_before, sequence_before FROM heard
"""


@dataclass(frozen=True)
class Beat:
    """A heartbeat, under which certificate it came, and when by our clock."""

    toolbox: UUID
    serial: str
    at: datetime
    heartbeat: Heartbeat

    @property
    def is_quiet(self) -> bool:
        """Whether it tells nothing but how busy the host and its servers are: then `record_quiet` may take it."""
        return not self.heartbeat.servers and self.heartbeat.orphans is None


@transaction.atomic(savepoint=False)
def record_quiet(*, beats: Collection[Beat]) -> dict[UUID, tuple[int, int]]:
    """Store these heartbeats, one of each toolbox. Returns the toolboxes whose was stored, each with the epoch and sequence that were known
    of it before; that of another is to be taken by itself.
    """
    with connection.cursor() as cursor:
        # What a crash of PostgreSQL might take with it is asked for again when the next heartbeat builds on it; no flush is waited for.
        cursor.execute("SET LOCAL synchronous_commit = off")
        values: dict[str, Any] = {
            "beats": json.dumps([_row(beat) for beat in beats]),
            "clock_off": CLOCK_OFF_SECONDS,
            "raw": Metric.Resolution.RAW,
        }
        cursor.execute(RECORD, values)
        heard = cursor.fetchall()
    back = [(toolbox_id, owner_id) for toolbox_id, owner_id, was_silent, *_ in heard if was_silent]
    if back:  # after a pause of our own: all of them at once
        rows = [ToolboxEvent(toolbox=Toolbox(pk=toolbox_id), kind="reports_again", text="It reports again.") for toolbox_id, _ in back]
        ToolboxEvent.objects.bulk_create(rows)
        tell_reporting_changed([toolbox_id for toolbox_id, _ in back])
        live.publish(*{group for toolbox_id, owner_id in back for group in (live.toolbox_group(toolbox_id), live.owner_group(owner_id))})
    return {toolbox_id: (epoch, sequence) for toolbox_id, _, _, epoch, sequence in heard}


def _row(beat: Beat) -> dict[str, Any]:
    heartbeat = beat.heartbeat
    slot, begin = place(beat.at, Metric.Resolution.RAW)
    return {
        "toolbox": str(beat.toolbox),
        "serial": beat.serial,
        "epoch": heartbeat.epoch,
        "sequence": heartbeat.sequence,
        "since": heartbeat.since,
        "at": beat.at.isoformat(),
        "skew": (heartbeat.sent_at - beat.at).total_seconds(),
        "info": heartbeat.info.model_dump(mode="json"),
        "load": None if heartbeat.load is None else heartbeat.load.model_dump(mode="json"),
        "slot": slot,
        "begin": begin.isoformat(),
    }
