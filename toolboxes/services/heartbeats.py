"""What toolboxes report of themselves, one heartbeat at a time. `quiet_heartbeats` stores those in which nothing happened, many at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from django.db import transaction
from django.utils import timezone

from agentopia.lib import live
from dtma_wire import Heartbeat
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.services import events
from toolboxes.services.listeners import tell_reporting_changed
from toolboxes.services.metrics import measure

CLOCK_OFF_SECONDS = 60
CLOCK_TOLD_AGAIN_AFTER = timedelta(days=1)

WARNING = ToolboxEvent.Severity.WARNING


class Heard(Enum):
    """What a heartbeat is to somebody who knows those before it."""

    NEXT = auto()
    OVERTAKEN = auto()
    """Older than one that was recorded: overtaken or replayed. It changes nothing."""
    GAP = auto()
    """It builds on one that is not known here any more: what it says of servers is not all that there is to know."""
    SET_BACK = auto()
    """Older, and yet nothing newer has been heard for long: its DTMA was set back to an earlier state. It must begin anew."""


def judge(known: Toolbox, heartbeat: Heartbeat, now: datetime) -> Heard:
    """What this heartbeat is to the toolbox's row. Times of the toolbox's clock play no part."""
    if (heartbeat.epoch, heartbeat.sequence) > (known.epoch, known.sequence):
        newest = known.sequence if known.epoch == heartbeat.epoch else 0
        return Heard.GAP if heartbeat.since > newest else Heard.NEXT
    if not known.is_silent(now):
        return Heard.OVERTAKEN
    return Heard.SET_BACK if heartbeat.since else Heard.NEXT


@transaction.atomic
def record_heartbeat(*, toolbox: Toolbox, heartbeat: Heartbeat) -> Heard:
    """Store that a toolbox reported, and what of its host."""
    current = Toolbox.objects.select_for_update(no_key=True).get(pk=toolbox.pk)
    now = timezone.now()
    heard = judge(current, heartbeat, now)
    if heard in (Heard.OVERTAKEN, Heard.SET_BACK):
        return heard
    if heard is Heard.NEXT:  # else the next one would seem to build on something that was never stored
        current.epoch, current.sequence = heartbeat.epoch, heartbeat.sequence
    skew_seconds = (heartbeat.sent_at - now).total_seconds()
    _note_what_happened(current, heartbeat, skew_seconds)
    current.last_seen_at, current.skew_seconds, current.shown_silent = now, skew_seconds, False
    current.info = heartbeat.info.model_dump(mode="json")
    if heartbeat.load is not None:
        current.load = heartbeat.load.model_dump(mode="json")
        measure(toolbox_id=current.pk, at=now, load=heartbeat.load)
    if heartbeat.orphans is not None:
        current.orphans = [orphan.model_dump(mode="json") for orphan in heartbeat.orphans]
    current.save(update_fields=("epoch", "sequence", "last_seen_at", "info", "load", "orphans", "skew_seconds", "shown_silent"))
    return heard


def _note_what_happened(before: Toolbox, heartbeat: Heartbeat, skew_seconds: float) -> None:
    """Write what a person would want to know later, and tell the pages."""
    if before.last_seen_at is None:
        events.record(toolbox=before, kind="first_heartbeat", text="It reported for the first time.")
    elif before.shown_silent:
        events.record(toolbox=before, kind="reports_again", text="It reports again.")
    if before.shown_silent or heartbeat.info.engine_problem != before.engine_problem:
        tell_reporting_changed([before.pk])
    _note_engine(before, heartbeat.info.engine_problem)
    _note_version(before, heartbeat.info.dtma_version)
    _note_clock(before, skew_seconds)
    if heartbeat.orphans is not None:
        live.publish(live.toolbox_group(before.pk))


def _note_engine(before: Toolbox, problem: str) -> None:
    if problem == before.engine_problem:
        return
    if problem:
        events.record(toolbox=before, kind="engine_gone", text=f"Its container engine does not answer: {problem}", severity=WARNING)
    else:
        events.record(toolbox=before, kind="engine_back", text="Its container engine answers again.")


def _note_version(before: Toolbox, version: str) -> None:
    known = before.info.get("dtma_version")
    if known and known != version:
        events.record(toolbox=before, kind="version_changed", text=f"Its DTMA was {known} and is {version} now.")


def _note_clock(before: Toolbox, skew_seconds: float) -> None:
    """Once, though it may be about a minute and so seem to be right now and then."""
    if abs(skew_seconds) <= CLOCK_OFF_SECONDS or abs(before.skew_seconds) > CLOCK_OFF_SECONDS:
        return
    if before.events.filter(kind="clock_off", at__gt=timezone.now() - CLOCK_TOLD_AGAIN_AFTER).exists():
        return
    way = "ahead" if skew_seconds > 0 else "behind"
    text = f"Its clock is {_spoken(abs(skew_seconds))} {way}. Nothing here depends on it, but times in its logs are off by that."
    events.record(toolbox=before, kind="clock_off", text=text, severity=WARNING)


def _spoken(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
