"""Appending to the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from accounts.acting import acting_now
from accounts.models import AuditEvent, User
from agentopia.lib import live

STAFF_GROUP = "audit"
"""The live group of those who see every record."""
SET, CHANGED = "set", "changed"
SECRET = [SET, CHANGED]
"""What is said of a secret that was changed."""


@dataclass(frozen=True)
class Target:
    """What was changed, where it is no row (any more)."""

    type: str
    id: str = ""
    name: str = ""

    @classmethod
    def of(cls, thing: models.Model | Target) -> Target:
        if isinstance(thing, Target):
            return thing
        return cls(thing.__class__.__name__.lower(), str(thing.pk), str(thing))


def record(
    *,
    action: str,
    target: models.Model | Target,
    owner: User | int | None,
    summary: str = "",
    changes: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> AuditEvent:
    """Append a change, within the caller's transaction. ``changes`` is ``{field: [before, after]}``, never with a secret's value.

    Who did it is who acts now; ``by`` names them where the request does not know them, as while they sign in.
    """
    who = acting_now()
    person = by or who.person
    thing = Target.of(target)
    event = AuditEvent.objects.create(
        actor_id=person.pk if person else None,
        actor=person.email if person else who.name[:254],
        owner_id=owner.pk if isinstance(owner, User) else owner,
        via=who.via,
        address=who.address,
        action=action,
        target_type=thing.type,
        target_id=thing.id[:64],
        target_name=thing.name[:200],
        summary=summary[:500],
        changes=dict(changes or {}),
    )
    live.publish(STAFF_GROUP, *{live.owner_group(pk) for pk in (event.owner_id, event.actor_id) if pk is not None})
    return event
