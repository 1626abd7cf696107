"""Who else is told of toolboxes: apps above this one, which it does not know, put their functions here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

reporting_changed: list[Callable[[Collection[UUID]], None]] = []
"""These toolboxes fell silent or report again, or their engines did; called within the transaction that stores it."""


def tell_reporting_changed(toolbox_ids: Collection[UUID]) -> None:
    """Tell them, where there are any."""
    if toolbox_ids:
        for listener in reporting_changed:
            listener(toolbox_ids)
