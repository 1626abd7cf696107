"""Servers that a toolbox reports and nobody here knows are kept, so that they can be adopted or removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from dtma_wire import ServerState
from mcp_registry.models import Stray
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.services import events


def note_strays(*, toolbox: Toolbox, unknown: Collection[str], states: Mapping[str, ServerState]) -> bool:
    """Bring the list of a toolbox's strays up to date with the ids in its heartbeat that no row has (``unknown``).

    ``states`` are what the heartbeat tells of some of them; of the others nothing changed. Returns False where one is new that the
    heartbeat only names: the toolbox must tell what it is. One query where nothing changed.
    """
    kept = {stray.server: stray for stray in Stray.objects.filter(toolbox=toolbox)}
    if not unknown and not kept:
        return True
    with transaction.atomic():
        if gone := [stray.pk for server_id, stray in kept.items() if server_id not in unknown]:
            Stray.objects.filter(pk__in=gone).delete()
        for server_id in unknown:
            stray, state = kept.get(server_id), states.get(server_id)
            if stray is None or not stray.confirmed or state is not None:
                _keep(toolbox, server_id, stray, state)
    return all(server_id in kept or server_id in states for server_id in unknown)


def _keep(toolbox: Toolbox, server_id: str, stray: Stray | None, state: ServerState | None) -> None:
    values: dict[str, Any] = {} if stray is None else {"confirmed": True}
    if state is not None:
        values |= {"name": state.name[:63], "phase": state.phase.value, "generation": state.generation, "image": state.image[:512]}
    kept, _ = Stray.objects.update_or_create(toolbox=toolbox, server=server_id[:63], defaults=values)
    if stray is not None and not stray.confirmed:
        text = f"It has a server “{kept}” that is not known here. Adopt it or remove it."
        events.record(toolbox=toolbox, kind="stray", severity=ToolboxEvent.Severity.WARNING, text=text)
