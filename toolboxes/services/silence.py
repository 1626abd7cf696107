"""Toolboxes that fall silent are noticed by nobody's doing: a clock's."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from agentopia.lib import live
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.selectors import toolboxes_whose_silence_changed
from toolboxes.services.listeners import tell_reporting_changed

AT_ONCE = 500


def note_silence(*, now: datetime) -> None:
    """Remember, write down, and tell open pages, which toolboxes fell silent (or are not silent any more)."""
    while _note_some(now):
        pass


@transaction.atomic
def _note_some(now: datetime) -> bool:
    """At most `AT_ONCE`, so that their rows are not held for long: heartbeats need them. Returns whether there may be more."""
    changed = toolboxes_whose_silence_changed(now).order_by("pk").select_for_update(no_key=True, skip_locked=True)[:AT_ONCE]
    groups: set[str] = set()
    toolboxes = list(changed)
    silent = [toolbox for toolbox in toolboxes if toolbox.is_silent(now)]
    for toolbox in toolboxes:
        groups |= {live.toolbox_group(toolbox.pk), live.owner_group(toolbox.owner_id)}
    Toolbox.objects.filter(pk__in=[toolbox.pk for toolbox in silent]).update(shown_silent=True)
    Toolbox.objects.filter(pk__in=[toolbox.pk for toolbox in toolboxes if toolbox not in silent]).update(shown_silent=False)
    ToolboxEvent.objects.bulk_create(
        [
            ToolboxEvent(toolbox=toolbox, kind="silent", text="It stopped reporting.", severity=ToolboxEvent.Severity.WARNING)
            for toolbox in silent
            if toolbox.enrolled_at is not None and toolbox.deleted_at is None  # else it did not stop by itself
        ]
    )
    tell_reporting_changed([toolbox.pk for toolbox in toolboxes])
    if groups:
        live.publish(*groups)
    return len(toolboxes) == AT_ONCE
