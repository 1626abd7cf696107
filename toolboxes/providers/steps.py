"""Steps that jobs of several providers share: the end of every making and of every removing."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.providers.base import Done, Step, Wait
from toolboxes.services import events
from toolboxes.services.certificates import revoke_certificates

LOOK_SECONDS, LATER_SECONDS = 2.0, 15.0
IMPATIENT = timedelta(minutes=10)
SERVERS_TIME = timedelta(minutes=2)
"""How long a toolbox that is to be removed may take to remove its servers; after that they count as gone with it."""


def pace(waited: timedelta) -> float:
    """Seconds until the next look: somebody may sit before the page at first, but not for days. Enrolling hastens it anyway."""
    return LOOK_SECONDS if waited < IMPATIENT else LATER_SECONDS


def enrolled(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """DTMA has shown the one-time token and has a certificate."""
    if toolbox.enrolled_at is None:
        return Wait(pace(waited), "Waiting for DTMA to enrol")
    return Done(f"It answers at {toolbox.url}")


def first_heartbeat(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """DTMA has reported since it enrolled."""
    if toolbox.enrolled_at is None or toolbox.last_seen_at is None or toolbox.last_seen_at < toolbox.enrolled_at:
        return Wait(LOOK_SECONDS, "Waiting for its first report")
    return Done(f"DTMA {toolbox.info.get('dtma_version', '')} on {toolbox.info.get('hostname', 'its host')}")


def servers_gone(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """Its servers were removed by DTMA; or, where it does not answer in time, they are forgotten."""
    left = toolbox.mcp_servers.count()
    if not left:
        return Done()
    silent = toolbox.is_silent() or toolbox.enrolled_at is None
    if not silent and waited < SERVERS_TIME:
        return Wait(LOOK_SECONDS, f"{left} still to be removed")
    why = "The toolbox does not report" if silent else "The toolbox did not remove them in time"
    text = f"{why}: {left} of its servers were forgotten without its word that they are gone."
    with transaction.atomic():
        toolbox.mcp_servers.all().delete()
        events.record(toolbox=toolbox, kind="servers_forgotten", text=text, severity=ToolboxEvent.Severity.WARNING)
    return Done(text)


def revoked(toolbox: Toolbox, waited: timedelta) -> Done:
    """From here on nobody can speak for it; its row stays for its history."""
    with transaction.atomic():
        revoke_certificates(toolbox=toolbox, reason="the toolbox was removed.")
        if Toolbox.objects.filter(pk=toolbox.pk, deleted_at=None).update(deleted_at=timezone.now()):
            events.record(toolbox=toolbox, kind="removed", text="It was removed.")
            audit.record(action="toolbox.removed", target=toolbox, owner=toolbox.owner_id)
    return Done()


SERVERS = Step("servers", "Servers removed", servers_gone, timedelta(minutes=30), "Its servers could not be removed. Try again.")
REVOKED = Step("revoked", "Revoked", revoked, timedelta(minutes=30), "Its certificates could not be revoked. Try again.")
HEARTBEAT = Step(
    "heartbeat",
    "First heartbeat",
    first_heartbeat,
    timedelta(minutes=10),
    "DTMA enrolled, but has not reported since. Look at its log on the machine: sudo journalctl -u agentopia-dtma. Then try again.",
)
