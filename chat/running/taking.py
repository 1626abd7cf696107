"""Taking up a run: claimed for as long as a lease runs, with what it has so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Max
from django.db.models.functions import Coalesce, Now

from agentopia.lib import leases
from chat.models import Run
from chat.running.holding import LEASE

MOST_ATTEMPTS = 60
"""A run that is taken up so often is what its workers die of."""


@dataclass(frozen=True)
class Taken:
    """A run that this worker holds. ``seq`` is of its last event; ``shown`` are the parts of an answer that was not finished."""

    run: Run
    seq: int = 0
    next_part: int = 1
    shown: list[int] = field(default_factory=list)


def take(run_id: UUID) -> Taken | None:
    """Claim the run; None where it is another's, or not due."""
    rows = Run.objects.filter(pk=run_id)
    if not leases.claim(rows, LEASE, started_at=Coalesce("started_at", Now())):
        return None
    run = rows.select_related("conversation__owner", "conversation__agent").first()
    if run is None:  # deleted in this moment
        return None
    seq = run.events.aggregate(last=Max("seq"))["last"] or 0
    return Taken(run, seq, *_parts(run)) if seq else Taken(run)


def _parts(run: Run) -> tuple[int, list[int]]:
    """The number of the next part, and those that were shown after the last answer that was saved."""
    begun = run.events.filter(kind__in=("text.start", "thinking.start")).values_list("seq", "data__part")
    saved = run.events.filter(kind="usage").aggregate(last=Max("seq"))["last"] or 0
    dropped = set(run.events.filter(kind="text.dropped", seq__gt=saved).values_list("data__part", flat=True))
    parts = dict(begun)
    shown = [part for seq, part in parts.items() if seq > saved and part not in dropped]
    return max(parts.values(), default=0) + 1, shown
