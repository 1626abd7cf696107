"""How often a server's tools were called, how that ended and how long it took: counted in PostgreSQL from the receipts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from mcp_registry.metrics.series import WINDOWS
from mcp_registry.models import McpServer

# Only what the index `measured_calls_of_server` holds, so that no receipt is read.
SERIES = """
SELECT date_bin(%(step)s::interval, created_at, %(begin)s) AS at,
    count(*) FILTER (WHERE status IN ('succeeded', 'tool_error', 'failed')) AS calls,
    count(*) FILTER (WHERE status = 'tool_error') AS tool_errors,
    count(*) FILTER (WHERE status = 'failed') AS failures,
    count(*) FILTER (WHERE status = 'refused') AS refused,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE status IN ('succeeded', 'tool_error')) AS latency
FROM agents_toolcall
WHERE server_id = %(server)s AND created_at >= %(begin)s AND created_at < %(end)s
GROUP BY at
"""
LAST_HOUR = """
SELECT count(*) FILTER (WHERE status IN ('succeeded', 'tool_error', 'failed')),
    count(*) FILTER (WHERE status IN ('tool_error', 'failed'))
FROM agents_toolcall WHERE server_id = %(server)s AND created_at >= %(begin)s
"""


@dataclass(frozen=True)
class CallPoint:
    """The calls that began in one moment, from ``at`` on.

    ``calls`` were made; of them ``tool_errors`` are those where the tool itself reported an error, ``failures`` those that got no answer.
    ``refused`` were not made. Latency is of those that were answered, None where there were none.
    """

    at: datetime
    calls: int = 0
    tool_errors: int = 0
    failures: int = 0
    refused: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


def call_series(server: McpServer, window: str, now: datetime | None = None) -> list[CallPoint]:
    """The server's calls over a window of `mcp_registry.metrics.series.WINDOWS`, up to now: evenly spaced, oldest first.

    Raises ``KeyError`` for another window.
    """
    ring, length = WINDOWS[window]
    end = ring.place(now or timezone.now())[1] + ring.step
    begin = end - length
    with connection.cursor() as cursor:
        cursor.execute(SERIES, {"server": server.pk, "begin": begin, "end": end, "step": f"{ring.seconds} s"})
        rows = cursor.fetchall()
    known = {at: CallPoint(at, *counts, *(latency or (None, None))) for at, *counts, latency in rows}
    moments = [begin + ring.step * number for number in range(int(length / ring.step))]
    return [known.get(at) or CallPoint(at) for at in moments]


def calls_of_last_hour(server: McpServer, now: datetime | None = None) -> tuple[int, int]:
    """How many were made, and how many of them went wrong."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_HOUR, {"server": server.pk, "begin": (now or timezone.now()) - timedelta(hours=1)})
        calls, errors = cursor.fetchone()
    return calls, errors
