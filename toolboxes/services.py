"""Writes: enrolment and heartbeats."""

from __future__ import annotations

import hashlib
import secrets
import socket
from dataclasses import dataclass
from enum import Enum, auto

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken, User
from agentopia.lib import live
from dtma_wire import Heartbeat
from toolboxes.models import Toolbox


@dataclass(frozen=True)
class Enrolment:
    """What DTMA must know; the two tokens exist in clear only here and in its root-only configuration."""

    toolbox: Toolbox
    access_token_sha256: str
    heartbeat_token: str


@transaction.atomic
def enrol_this_machine(*, owner: User, url: str) -> Enrolment:
    """Make, or renew the credentials of, the owner's toolbox on this machine."""
    access_token, heartbeat_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    toolbox, _ = Toolbox.objects.update_or_create(
        owner=owner,
        provider=Toolbox.Provider.THIS_MACHINE,
        defaults={
            "url": url,
            "access_token": access_token,
            "heartbeat_digest": ApiToken.digest_of(heartbeat_token),
            "epoch": 0,
            "sequence": 0,
        },
        create_defaults={
            "name": socket.gethostname()[:63] or "this-machine",
            "url": url,
            "access_token": access_token,
            "heartbeat_digest": ApiToken.digest_of(heartbeat_token),
        },
    )
    return Enrolment(toolbox, hashlib.sha256(access_token.encode()).hexdigest(), heartbeat_token)


class Heard(Enum):
    """What a heartbeat is to somebody who knows those before it."""

    NEXT = auto()
    OVERTAKEN = auto()
    """Older than one that was recorded: overtaken or replayed. It changes nothing."""
    GAP = auto()
    """It builds on one that is not known here any more: what it says of servers is not all that there is to know."""


@transaction.atomic
def record_heartbeat(*, toolbox: Toolbox, heartbeat: Heartbeat) -> Heard:
    """Store that a toolbox reported, and what of its host."""
    current = Toolbox.objects.select_for_update().get(pk=toolbox.pk)
    if (heartbeat.epoch, heartbeat.sequence) <= (current.epoch, current.sequence):
        return Heard.OVERTAKEN
    known = current.sequence if current.epoch == heartbeat.epoch else 0
    heard = Heard.GAP if heartbeat.since > known else Heard.NEXT
    if heard is Heard.NEXT:  # else the next one would seem to build on something that was never stored
        current.epoch, current.sequence = heartbeat.epoch, heartbeat.sequence
    current.last_seen_at = timezone.now()
    changed = current.shown_silent or current.engine_problem != heartbeat.info.engine_problem
    current.info = heartbeat.info.model_dump(mode="json")
    current.shown_silent = False
    current.save(update_fields=("epoch", "sequence", "last_seen_at", "info", "shown_silent"))
    if changed:
        live.publish(live.owner_group(current.owner_id))
    return heard


@transaction.atomic
def note_silence(*, toolbox: Toolbox) -> None:
    """Remember, and tell open pages, that a toolbox fell silent (or reports again)."""
    silent = toolbox.is_silent()
    if Toolbox.objects.filter(pk=toolbox.pk, shown_silent=not silent).update(shown_silent=silent):
        live.publish(live.owner_group(toolbox.owner_id))
