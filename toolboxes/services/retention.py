"""What is kept of the past has an end, so that nothing grows for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from toolboxes.models import Metric

EVENTS_KEPT = 1000
"""Of one toolbox, the newest."""
EVENTS_KEPT_FOR = timedelta(days=90)
EVENTS_KEPT_ALWAYS = 100
"""The newest of one toolbox however old they are: where little happens, that is its whole history."""
METRICS_KEPT_AFTER_REMOVAL = timedelta(days=30)

# The event that comes after the newest so many of a toolbox is found in the index; it goes, and what is older than it.
FORGET = """
DELETE FROM toolboxes_toolboxevent AS event
USING toolboxes_toolbox AS toolbox CROSS JOIN LATERAL (
    SELECT at, id FROM toolboxes_toolboxevent WHERE toolbox_id = toolbox.id ORDER BY at DESC, id DESC OFFSET %(kept)s LIMIT 1
) AS newest
WHERE event.toolbox_id = toolbox.id AND (event.at, event.id) <= (newest.at, newest.id) AND event.at < %(before)s
"""


def forget_old(*, now: datetime) -> None:
    """Delete the events of toolboxes that are too many or too old, and the figures of toolboxes that were removed long ago."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"kept": EVENTS_KEPT, "before": now})
        cursor.execute(FORGET, {"kept": EVENTS_KEPT_ALWAYS, "before": now - EVENTS_KEPT_FOR})
    Metric.objects.filter(toolbox__deleted_at__lt=now - METRICS_KEPT_AFTER_REMOVAL).delete()
