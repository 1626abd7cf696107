"""What pages and programs hear of runs: each event of a run is a row first, and a message to the run's group after that.

The message says what the row does, so that nobody has to read it; who sees a gap in ``seq`` reads the rows. An event that is too large for
a message leaves such a gap.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import transaction
from django.db.models import Max
from redis.exceptions import RedisError

from agentopia.lib import live
from agentopia.lib.announcements import announce
from chat.models import Run, RunEvent

logger = logging.getLogger(__name__)

LAYER = "runs"
"""The channel layer by which the events of runs are told."""
RUNS = "agentopia:runs"
"""The channel on which a worker hears the id of a run that is to stop."""
LARGEST_MESSAGE = 60_000
"""In bytes of JSON; some room is left for what is around it."""

type Told = dict[str, Any]
"""An event as it is sent: ``{"seq", "kind", "data", "at"}``."""


def run_group(run_id: UUID) -> str:
    """The group that hears of each event of a run: ``{"type": "run.events", "events": [...]}``."""
    return f"run.{run_id}"


def conversation_group(conversation_id: UUID) -> str:
    """The group that is told to look again when a run of the conversation begins, ends or is replaced."""
    return f"conversation.{conversation_id}"


def told(seq: int, kind: str, data: dict[str, Any], at: datetime) -> Told:
    """An event as it is sent."""
    return {"seq": seq, "kind": kind, "data": data, "at": at.isoformat()}


def messages_of(events: Iterable[Told]) -> Iterator[dict[str, Any]]:
    """These events of one run in as few messages as fit."""
    batch: list[Told] = []
    size = 0
    for event in events:
        length = len(json.dumps(event))
        if batch and size + length > LARGEST_MESSAGE:
            yield {"type": "run.events", "events": batch}
            batch, size = [], 0
        if length <= LARGEST_MESSAGE:
            batch.append(event)
            size += length
    if batch:
        yield {"type": "run.events", "events": batch}


async def tell(run_id: UUID, events: Sequence[Told]) -> None:
    """Send events whose rows are committed. A broker that is away costs nothing but time."""
    layer: Any = get_channel_layer(LAYER)
    try:
        for message in messages_of(events):
            await layer.group_send(run_group(run_id), message)
    except (RedisError, OSError) as error:
        logger.warning("Pages were not told of events of the run %s: %s", run_id, error)


def record(run: Run, *events: tuple[str, dict[str, Any]]) -> list[Told]:
    """Write the next events of a run that this transaction holds locked, and send them once it is committed."""
    last = run.events.aggregate(last=Max("seq"))["last"] or 0
    rows = [RunEvent(run=run, seq=seq, kind=kind, data=data) for seq, (kind, data) in enumerate(events, last + 1)]
    RunEvent.objects.bulk_create(rows)
    sent = [told(row.seq, row.kind, row.data, row.created_at) for row in rows]
    transaction.on_commit(lambda: live.in_sender(tell(run.pk, sent)))
    return sent


def publish_change(run: Run) -> None:
    """Tell pages, once the transaction is committed, that a run of this conversation began, ended or was replaced."""
    live.publish(conversation_group(run.conversation_id), live.owner_group(run.conversation.owner_id))


def announce_stop(run_id: UUID) -> None:
    """Let the worker that has the run look at it, once the transaction is committed."""
    announce(RUNS, str(run_id))
