"""Work that is a row: claimed by one conditional update for as long as a lease runs, so that two workers never do one job.

A model of such work has these columns: ``status`` (``queued``, ``running``, or a word for how it ended), ``not_before``,
``lease_until``, and ``attempts``, which grows with every claim and so tells one holder from the next.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

QUEUED, RUNNING = "queued", "running"
UNFINISHED = Q(status__in=(QUEUED, RUNNING))


def due(now: datetime) -> Q:
    """Work that nobody does: queued and its time has come, or claimed by a worker whose lease ran out."""
    return Q(status=QUEUED, not_before__lte=now) | Q(status=RUNNING, lease_until__lt=now)


def claim(work: QuerySet[Any], lease: timedelta, **also: Any) -> bool:
    """Take the one row of this query, if it is due; ``also`` is written with it."""
    now = timezone.now()
    return bool(work.filter(due(now)).update(status=RUNNING, lease_until=now + lease, attempts=F("attempts") + 1, **also))


def held(holder: Any) -> Q:
    """The row, while it is still its holder's: not finished by others, nor claimed by another after the lease ran out."""
    return Q(pk=holder.pk, status=RUNNING, attempts=holder.attempts)


def renew(work: QuerySet[Any], holder: Model, lease: timedelta) -> bool:
    """Keep the work. False where it is no longer the holder's."""
    return bool(work.filter(held(holder)).update(lease_until=timezone.now() + lease))


def put_off(work: QuerySet[Any], holder: Model, seconds: float, **also: Any) -> bool:
    """Give the work back, to be done after so many seconds. False where it was no longer the holder's."""
    later = timezone.now() + timedelta(seconds=seconds)
    return bool(work.filter(held(holder)).update(status=QUEUED, not_before=later, lease_until=None, **also))


def hasten(work: QuerySet[Any]) -> None:
    """What these wait for has happened: let them be due at once."""
    work.filter(status=QUEUED).update(not_before=timezone.now())


def pause(failures: int, pauses: Sequence[float]) -> float | None:
    """Seconds to wait after so many failures in a row, with some jitter; None when it was tried often enough."""
    if failures > len(pauses):
        return None
    return pauses[failures - 1] * random.uniform(0.8, 1.2)  # noqa: S311 (jitter, not a secret)


def hand_over(task: str, work_id: UUID) -> None:
    """Give it to a worker. Without a broker it stays due, and the next dispatch finds it."""
    try:
        current_app.send_task(task, (str(work_id),))
    except OperationalError as error:
        logger.warning("The broker does not answer, %s of %s waits: %s", task, work_id, error)
