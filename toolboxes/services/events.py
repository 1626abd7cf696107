"""The history of a toolbox."""

from __future__ import annotations

from agentopia.lib import live
from toolboxes.models import Toolbox, ToolboxEvent


def record(*, toolbox: Toolbox, kind: str, text: str, severity: ToolboxEvent.Severity = ToolboxEvent.Severity.INFO) -> ToolboxEvent:
    """Write a line of a toolbox's history, within the caller's transaction, and tell its pages on commit."""
    event = ToolboxEvent.objects.create(toolbox=toolbox, kind=kind, text=text[:500], severity=severity)
    live.publish(live.toolbox_group(toolbox.pk), live.owner_group(toolbox.owner_id))
    return event
