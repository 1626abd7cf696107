"""The audit as JSON Lines: one record a line, oldest first, read in bounded pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from channels.db import database_sync_to_async
from django.db.models import QuerySet

from accounts.audit.query import AuditQuery, address_shown, events_for
from accounts.models import AuditEvent, User

PIECE = 1000
FIELDS = (
    *("id", "at", "actor_id", "actor", "owner_id", "via", "address", "action"),
    *("target_type", "target_id", "target_name", "summary", "changes"),
)
CHAIN = ("position", "previous", "hash", "body")


def shown(event: AuditEvent, user: User | None) -> dict[str, Any]:
    """A record as JSON. Staff and commands (None) get its place in the chain too, with the text that was hashed."""
    whole = user is None or user.is_staff
    content = {name: getattr(event, name) for name in (*FIELDS, *(CHAIN if whole else ()))}
    content["at"] = event.at.isoformat()
    if user is not None and not address_shown(event, user):
        content["address"] = None
    return content


def pieces(events: QuerySet[AuditEvent], user: User | None) -> Iterator[str]:
    """The lines, some at a time."""
    last = 0
    while text := _piece(events, user, last):
        piece, last = text
        yield piece


async def streamed(query: AuditQuery, user: User) -> AsyncIterator[str]:
    """The lines of what this user may read, some at a time."""
    last = 0
    while text := await database_sync_to_async(_piece)(query.of(events_for(user)), user, last):
        piece, last = text
        yield piece


def _piece(events: QuerySet[AuditEvent], user: User | None, last: int) -> tuple[str, int] | None:
    rows = list(events.filter(pk__gt=last).order_by("pk")[:PIECE])
    if not rows:
        return None
    return "".join(json.dumps(shown(row, user), ensure_ascii=False) + "\n" for row in rows), rows[-1].pk
