"""Writes: enrolment and heartbeats."""

from __future__ import annotations

import hashlib
import secrets
import socket
from dataclasses import dataclass

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


@transaction.atomic
def record_heartbeat(*, toolbox: Toolbox, heartbeat: Heartbeat) -> bool:
    """Store that a toolbox reported. Returns False for a heartbeat that was overtaken or replayed: it changes nothing."""
    current = Toolbox.objects.select_for_update().get(pk=toolbox.pk)
    if (heartbeat.epoch, heartbeat.sequence) <= (current.epoch, current.sequence):
        return False
    current.epoch, current.sequence = heartbeat.epoch, heartbeat.sequence
    current.last_seen_at = timezone.now()
    changed = current.shown_silent or current.engine_problem != heartbeat.info.engine_problem
    current.info = heartbeat.info.model_dump(mode="json")
    current.shown_silent = False
    current.save(update_fields=("epoch", "sequence", "last_seen_at", "info", "shown_silent"))
    if changed:
        live.publish(live.owner_group(current.owner_id))
    return True


@transaction.atomic
def note_silence(*, toolbox: Toolbox) -> None:
    """Remember, and tell open pages, that a toolbox fell silent (or reports again)."""
    silent = toolbox.is_silent()
    if Toolbox.objects.filter(pk=toolbox.pk, shown_silent=not silent).update(shown_silent=silent):
        live.publish(live.owner_group(toolbox.owner_id))
