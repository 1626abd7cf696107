"""What differs between two definitions of a tool, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_registry.upgrading.tool_changes import ChangedPart, compare


def changes_of(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[ChangedPart, ...]:
    """What differs between two definitions of one tool, part by part; without one before, all that it says."""
    name = after.get("name", "")
    changes = compare([{**(before or {}), "name": name}], [after])
    return changes.changed[0].parts if changes.changed else ()
