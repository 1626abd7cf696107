"""What is not kept of runs that ended: the pieces of their texts, whose whole stands in each text's last event."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from chat.models import Run, RunEvent

KEPT = timedelta(hours=1)
"""Who watches a run may be some time behind."""
KINDS = ("text.delta", "thinking.delta", "tool.progress")
AT_ONCE = 500


def forget_deltas() -> int:
    """Delete these of runs that ended a while ago; returns how many events."""
    before, deleted = timezone.now() - KEPT, 0
    deltas = RunEvent.objects.filter(kind__in=KINDS, run__status__in=Run.ENDED, run__ended_at__lt=before)
    while run_ids := list(deltas.order_by().values_list("run", flat=True).distinct()[:AT_ONCE]):
        deleted += RunEvent.objects.filter(kind__in=KINDS, run__in=run_ids).delete()[0]
    return deleted
