"""What calls cost, in sum: per tool, server or agent, over a window, and never over more receipts than `MOST_CALLS`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import User
from agents.receipts_pages.query import CallQuery
from agents.receipts_pages.selectors import calls_for

MOST_CALLS = 100_000
MOST_ROWS = 100
BY = {"tool": ("server_name", "tool_name"), "server": ("server_name",), "agent": ("agent_name",)}
"""What can be summed by, with the fields that tell one from another: names, since they outlive what they name."""
DEFAULT_WINDOW = "week"
READ = (
    *("server_name", "tool_name", "agent_name", "created_at", "status", "cost_shared"),
    *("duration_ms", "cpu_seconds", "egress_bytes", "peak_memory_bytes"),
)
# The receipts are read once: the sums of all are those of the lines. They tell what the wait was for calls that were answered.
SUMS = """
WITH chosen AS ({chosen}), lines AS (
    SELECT {keys},
        count(*) AS calls,
        count(*) FILTER (WHERE status IN ('tool_error', 'failed')) AS problems,
        count(*) FILTER (WHERE status = 'refused') AS refused,
        count(*) FILTER (WHERE cost_shared) AS shared,
        sum(cpu_seconds) AS cpu_seconds,
        sum(egress_bytes)::bigint AS egress_bytes,
        max(peak_memory_bytes) AS peak_memory_bytes,
        sum(duration_ms) / 1000 AS seconds,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE status IN ('succeeded', 'tool_error')) AS p95_ms,
        min(created_at) AS oldest
    FROM chosen GROUP BY {keys}
)
SELECT *,
    sum(calls) OVER ()::bigint AS all_calls, sum(problems) OVER ()::bigint AS all_problems, sum(refused) OVER ()::bigint AS all_refused,
    sum(shared) OVER ()::bigint AS all_shared, sum(cpu_seconds) OVER () AS all_cpu_seconds,
    sum(egress_bytes) OVER ()::bigint AS all_egress_bytes, max(peak_memory_bytes) OVER () AS all_peak_memory_bytes,
    sum(seconds) OVER () AS all_seconds, min(oldest) OVER () AS begin
FROM lines ORDER BY cpu_seconds DESC NULLS LAST, calls DESC, {keys} LIMIT {most}
"""


@dataclass(frozen=True)
class Sums:
    """Of some calls. ``problems`` are those where the tool reported an error or that got no answer; ``shared`` ones overlapped with others
    on their server, so that their CPU time and egress are counted with each of them. None: nothing was measured.
    """

    calls: int
    problems: int
    refused: int
    shared: int
    cpu_seconds: float | None
    egress_bytes: int | None
    peak_memory_bytes: int | None
    seconds: float | None


@dataclass(frozen=True)
class Total(Sums):
    """One line. ``p95_ms`` is of answered calls; ``link`` is the query string that lists the line's calls."""

    server: str
    tool: str
    agent: str
    p95_ms: float | None
    link: str

    @property
    def name(self) -> str:
        return self.tool or self.server or self.agent


@dataclass(frozen=True)
class Totals:
    """The lines, those that cost most CPU time first. Where calls were left out, ``begin`` is when the oldest one counted was made."""

    rows: list[Total]
    sum: Sums | None
    begin: datetime | None

    @property
    def cut(self) -> bool:
        """Whether there may be more lines than are shown."""
        return len(self.rows) == MOST_ROWS


def totals(user: User, by: str, query: CallQuery) -> Totals:
    """Sum up what the query asks for, without its place in the list; over a week where it says no time. ``by`` is a key of `BY`."""
    query = in_window(query)
    newest = calls_for(user, query).order_by("-created_at").values_list(*READ)[:MOST_CALLS]
    chosen, parameters = newest.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(SUMS.format(chosen=chosen, keys=", ".join(BY[by]), most=MOST_ROWS), parameters)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not rows:
        return Totals([], None, None)
    everything = Sums(**{name: rows[0][f"all_{name}"] for name in Sums.__dataclass_fields__})
    begin = rows[0]["begin"] if everything.calls == MOST_CALLS else None
    return Totals([_total(row, query) for row in rows], everything, begin)


def in_window(query: CallQuery, window: str = DEFAULT_WINDOW) -> CallQuery:
    """The same, without a place, over some time: ``window`` unless it says another."""
    query = query.filters
    return query if query.window or query.since or query.until else replace(query, window=window)


def _total(row: dict[str, Any], query: CallQuery) -> Total:
    keys = {name: row.get(f"{name}_name", "") for name in ("server", "tool", "agent")}
    narrowed = {name: value for name, value in keys.items() if value}
    sums = {name: row[name] for name in Sums.__dataclass_fields__}
    return Total(**sums, **keys, p95_ms=row["p95_ms"], link=replace(query, **narrowed).encoded)
