"""Times that a toolbox tells, as our clock would have told them: the two need not agree."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from toolboxes.models import Toolbox


def ours(toolbox: Toolbox, told: datetime, *, not_before: datetime | None = None) -> datetime:
    """A moment of the toolbox's clock, by ours: corrected by how far its clock was off in its last heartbeat.

    Its clock may have been set since, so the result is never after now, nor ``not_before`` what cannot be.
    """
    moment = min(told - timedelta(seconds=toolbox.skew_seconds), timezone.now())
    return moment if not_before is None else max(moment, not_before)
