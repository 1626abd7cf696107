"""What servers use: written as their toolboxes tell it, and rolled up into ten minutes. `mcp_registry.metrics.series` reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from agentopia.lib.rings import Ring, roll_up_next
from dtma_wire import Heartbeat, ServerUsage
from mcp_registry.models import ServerMetric, ServerRollUp
from mcp_registry.models.metrics import SERVER_SLOTS

RINGS = {resolution: Ring(resolution, slots) for resolution, slots in SERVER_SLOTS.items()}
MINUTE, TEN_MINUTES = RINGS[ServerMetric.Resolution.MINUTE], RINGS[ServerMetric.Resolution.TEN_MINUTES]
SPREAD_SECONDS = 150.0
"""What is told of a longer time, after nobody has listened, counts for the minute in which it is told."""
SETTLED = timedelta(seconds=SPREAD_SECONDS + 30)
"""How long after its end a minute is complete: so far back does what is told reach."""
MOST_SECONDS, MOST = 10.0 * 366 * 86400, 2**50
"""Beyond what anything real can be, and within what columns can hold, many times over."""

# What is told again of a span is added to what is there: it is of another part of it. What lies there from a round ago is written over.
STORE = """
INSERT INTO mcp_registry_servermetric AS kept (
    server_id, resolution, slot, at, seconds, cpu_percent, memory_bytes, memory_limit_bytes, received_bytes, sent_bytes,
    restarts, out_of_memory_kills
)
SELECT server.id, %(resolution)s, told.slot, told.at, told.seconds, told.cpu, told.memory, told.memory_limit, told.received, told.sent,
    told.restarts, told.kills
FROM jsonb_to_recordset(%(told)s::jsonb) AS told(
    toolbox uuid, server uuid, slot smallint, at timestamptz, seconds double precision, cpu double precision, memory bigint,
    memory_limit bigint, received bigint, sent bigint, restarts integer, kills integer
)
JOIN mcp_registry_mcpserver AS server ON server.id = told.server AND server.toolbox_id = told.toolbox
ORDER BY server.id, told.slot
ON CONFLICT (server_id, resolution, slot) DO UPDATE SET
    at = excluded.at,
    seconds = excluded.seconds + CASE WHEN kept.at = excluded.at THEN kept.seconds ELSE 0 END,
    cpu_percent = CASE
        WHEN kept.at <> excluded.at OR kept.cpu_percent IS NULL THEN excluded.cpu_percent
        WHEN excluded.cpu_percent IS NULL OR kept.seconds + excluded.seconds = 0 THEN kept.cpu_percent
        ELSE (kept.cpu_percent * kept.seconds + excluded.cpu_percent * excluded.seconds) / (kept.seconds + excluded.seconds) END,
    memory_bytes = CASE
        WHEN kept.at <> excluded.at OR kept.memory_bytes IS NULL THEN excluded.memory_bytes
        WHEN excluded.memory_bytes IS NULL OR kept.seconds + excluded.seconds = 0 THEN kept.memory_bytes
        ELSE (kept.memory_bytes * kept.seconds + excluded.memory_bytes * excluded.seconds) / (kept.seconds + excluded.seconds) END,
    memory_limit_bytes = coalesce(excluded.memory_limit_bytes, CASE WHEN kept.at = excluded.at THEN kept.memory_limit_bytes END),
    received_bytes = CASE WHEN kept.at = excluded.at
        THEN coalesce(kept.received_bytes + excluded.received_bytes, kept.received_bytes, excluded.received_bytes)
        ELSE excluded.received_bytes END,
    sent_bytes = CASE WHEN kept.at = excluded.at
        THEN coalesce(kept.sent_bytes + excluded.sent_bytes, kept.sent_bytes, excluded.sent_bytes) ELSE excluded.sent_bytes END,
    restarts = excluded.restarts + CASE WHEN kept.at = excluded.at THEN kept.restarts ELSE 0 END,
    out_of_memory_kills = excluded.out_of_memory_kills + CASE WHEN kept.at = excluded.at THEN kept.out_of_memory_kills ELSE 0 END
"""

# Server by server, so that the ring's index is used: all others hold millions of rows that are not looked at.
ROLL_UP = """
INSERT INTO mcp_registry_servermetric (
    server_id, resolution, slot, at, seconds, cpu_percent, memory_bytes, memory_limit_bytes, received_bytes, sent_bytes,
    restarts, out_of_memory_kills
)
SELECT server.id, %(resolution)s, %(slot)s, %(begin)s, made.*
FROM mcp_registry_mcpserver AS server
JOIN toolboxes_toolbox AS toolbox ON toolbox.id = server.toolbox_id AND toolbox.last_seen_at >= %(begin)s
CROSS JOIN LATERAL (
    SELECT sum(seconds) AS seconds,
        sum(cpu_percent * seconds) / nullif(sum(seconds) FILTER (WHERE cpu_percent IS NOT NULL), 0) AS cpu_percent,
        sum(memory_bytes * seconds) / nullif(sum(seconds) FILTER (WHERE memory_bytes IS NOT NULL), 0) AS memory_bytes,
        max(memory_limit_bytes), sum(received_bytes), sum(sent_bytes), sum(restarts), sum(out_of_memory_kills)
    FROM mcp_registry_servermetric
    WHERE server_id = server.id AND resolution = %(finer)s AND slot = ANY(%(slots)s) AND at >= %(begin)s AND at < %(end)s
) AS made
WHERE made.seconds IS NOT NULL
ON CONFLICT (server_id, resolution, slot) DO UPDATE SET
    at = excluded.at, seconds = excluded.seconds, cpu_percent = excluded.cpu_percent, memory_bytes = excluded.memory_bytes,
    memory_limit_bytes = excluded.memory_limit_bytes, received_bytes = excluded.received_bytes, sent_bytes = excluded.sent_bytes,
    restarts = excluded.restarts, out_of_memory_kills = excluded.out_of_memory_kills
"""


def tells_news(heartbeat: Heartbeat, known: tuple[int, int]) -> bool:
    """Whether its usage was not stored yet, ``known`` being the epoch and sequence that had been recorded of the toolbox before it."""
    epoch, sequence = known
    return bool(heartbeat.usage) and (heartbeat.epoch != epoch or heartbeat.usage_first > sequence)


def store_usage(*, told: Iterable[tuple[UUID, datetime, Heartbeat]]) -> None:
    """Store what heartbeats tell of servers: (toolbox, when it was heard by our clock, heartbeat), each toolbox once, by one statement.

    What is told of a server that is not on that toolbox is nobody's. To be called once for each usage, in the transaction that records the
    heartbeat; see `tells_news`.
    """
    rows = [row for toolbox, at, heartbeat in told for row in _rows(toolbox, at, heartbeat)]
    if rows:
        _store(rows)


def note_restarts(*, toolbox_id: UUID, server_id: UUID, at: datetime, restarts: int) -> None:
    """A server was started again so often by its toolbox; within the transaction that stores that."""
    _store([_row(toolbox_id, str(server_id), at, restarts=restarts)])


def roll_up(*, now: datetime) -> None:
    """Make the ten minutes that are complete. Safe to run twice and by several at once."""
    while roll_up_next(ServerRollUp, ROLL_UP, coarse=TEN_MINUTES, fine=MINUTE, fine_until=now - SETTLED, now=now):
        pass


def _store(rows: list[dict[str, Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STORE, {"resolution": MINUTE.seconds, "told": json.dumps(rows)})


def _rows(toolbox: UUID, at: datetime, heartbeat: Heartbeat) -> Iterator[dict[str, Any]]:
    for usage in {usage.id: usage for usage in heartbeat.usage}.values():
        if _is_id(usage.id):
            yield from _spread(toolbox, at, usage)


def _spread(toolbox: UUID, at: datetime, usage: ServerUsage) -> Iterator[dict[str, Any]]:
    """Over the minutes that it speaks of. The last of them has all kills, since nobody knows better."""
    seconds = min(max(usage.seconds, 0.0), MOST_SECONDS) if math.isfinite(usage.seconds) else 0.0
    cpu = usage.cpu_percent if usage.cpu_percent is not None and math.isfinite(usage.cpu_percent) else None
    figures: dict[str, Any] = {"cpu": cpu, "memory": _bounded(usage.memory_bytes), "memory_limit": _bounded(usage.memory_limit_bytes)}
    received, sent = _bounded(usage.received_bytes), _bounded(usage.sent_bytes)
    for begin, share_from, share_to in shares(at, seconds):
        yield _row(
            toolbox,
            usage.id,
            begin,
            **figures,
            seconds=seconds * (share_to - share_from),
            received=_share(received, share_from, share_to),
            sent=_share(sent, share_from, share_to),
            kills=min(max(usage.out_of_memory_kills, 0), 10**6) if share_to == 1.0 else 0,
        )


def shares(until: datetime, seconds: float) -> list[tuple[datetime, float, float]]:
    """The minutes of a time that ends at ``until``, oldest first: when each begins, and which part of the whole (from, to) lies in it."""
    slot_begin = MINUTE.place(until)[1]
    parts: list[tuple[datetime, float, float]] = []
    left = seconds if seconds <= SPREAD_SECONDS else 0.0
    end, share_to = until, 1.0
    while left > (here := (end - slot_begin).total_seconds()):
        share_from = (left - here) / seconds
        if here > 0:
            parts.append((slot_begin, share_from, share_to))
            share_to = share_from
        left, end, slot_begin = left - here, slot_begin, slot_begin - MINUTE.step
    parts.append((slot_begin, 0.0, share_to))
    return parts[::-1]


def _share(total: int | None, share_from: float, share_to: float) -> int | None:
    """Whole bytes whose sum is the total."""
    return None if total is None else round(total * share_to) - round(total * share_from)


def _row(toolbox: UUID, server_id: str, at: datetime, *, restarts: int = 0, kills: int = 0, **figures: Any) -> dict[str, Any]:
    slot, begin = MINUTE.place(at)
    place = {"toolbox": str(toolbox), "server": server_id, "slot": slot, "at": begin.isoformat()}
    return {**place, "seconds": 0, "restarts": restarts, "kills": kills, **figures}


def _bounded(value: int | None) -> int | None:
    """What a column can hold, and the sum of some such."""
    return None if value is None else min(max(value, 0), MOST)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
