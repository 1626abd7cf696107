"""What servers were made from, generation by generation."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from mcp_registry.models import McpServer, Revision, Specification

SPECIFICATION = ("manifest", "package", "config", "overrides", "shared_volumes", "secrets")


def specification_of(row: Specification) -> dict[str, Any]:
    """The columns of `Specification`, to give to another row."""
    return {name: getattr(row, name) for name in SPECIFICATION}


def note_revision(*, server: McpServer, by: User | None, summary: str) -> Revision:
    """Keep what a server is made from at its present generation, within the caller's transaction."""
    return Revision.objects.create(server=server, generation=server.generation, by=by, summary=summary[:500], **specification_of(server))
