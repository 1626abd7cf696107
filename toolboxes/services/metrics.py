"""How busy toolboxes are: written as they report it, and rolled up into coarser resolutions. `toolboxes.metrics` reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from agentopia.lib.rings import Ring, roll_up_next
from dtma_wire import HostLoad
from toolboxes.models import Metric, RollUp
from toolboxes.models.metrics import SLOTS

RINGS = {resolution: Ring(resolution, slots) for resolution, slots in SLOTS.items()}
FINER = {Metric.Resolution.MINUTE: Metric.Resolution.RAW, Metric.Resolution.TEN_MINUTES: Metric.Resolution.MINUTE}
SETTLED = timedelta(seconds=20)
"""How long after its end a moment is rolled up: what was heard in it has been stored by then."""
FIGURES = ("at", "cpu_percent", "load", "memory_used_bytes", "disk_used_bytes")

# Toolbox by toolbox, so that the ring's index is used: all others hold millions of rows that are not looked at.
ROLL_UP = """
INSERT INTO toolboxes_metric (toolbox_id, resolution, slot, at, cpu_percent, load, memory_used_bytes, disk_used_bytes)
SELECT toolbox.id, %(resolution)s, %(slot)s, %(begin)s, made.cpu_percent, made.load, made.memory, made.disk
FROM toolboxes_toolbox AS toolbox CROSS JOIN LATERAL (
    SELECT avg(cpu_percent) AS cpu_percent, avg(load) AS load,
        avg(memory_used_bytes)::bigint AS memory, avg(disk_used_bytes)::bigint AS disk
    FROM toolboxes_metric
    WHERE toolbox_id = toolbox.id AND resolution = %(finer)s AND slot = ANY(%(slots)s) AND at >= %(begin)s AND at < %(end)s
) AS made
WHERE made.load IS NOT NULL AND toolbox.last_seen_at >= %(begin)s
ON CONFLICT (toolbox_id, resolution, slot) DO UPDATE SET
    at = excluded.at, cpu_percent = excluded.cpu_percent, load = excluded.load,
    memory_used_bytes = excluded.memory_used_bytes, disk_used_bytes = excluded.disk_used_bytes
"""


def place(at: datetime, resolution: int) -> tuple[int, datetime]:
    """A moment's slot in the ring of this resolution, and when it begins."""
    return RINGS[resolution].place(at)


def measure(*, toolbox_id: UUID, at: datetime, load: HostLoad) -> None:
    """Store what a toolbox reported of itself at this time of our clock, over what lay there a round ago."""
    slot, begin = place(at, Metric.Resolution.RAW)
    row = Metric(toolbox_id=toolbox_id, resolution=Metric.Resolution.RAW, slot=slot, at=begin, **load.model_dump())
    unique = ("toolbox", "resolution", "slot")
    Metric.objects.bulk_create([row], update_conflicts=True, unique_fields=unique, update_fields=FIGURES)


def roll_up(*, now: datetime) -> None:
    """Make the minutes and the ten minutes that have ended since the last time; after a long pause, as many as can still be made.

    Safe to run twice and by several at once.
    """
    for resolution, finer in FINER.items():
        coarse, fine = RINGS[resolution], RINGS[finer]
        while roll_up_next(RollUp, ROLL_UP, coarse=coarse, fine=fine, fine_until=_complete_until(finer, now), now=now):
            pass


def _complete_until(resolution: Metric.Resolution, now: datetime) -> datetime:
    if resolution == Metric.Resolution.RAW:
        return now - SETTLED
    row = RollUp.objects.filter(resolution=resolution).first()
    return row.until if row is not None else datetime.min.replace(tzinfo=UTC)
