"""Whether the catalogue has another version for a server, and what it says of its entry; reads the server with its ``entry``."""

from __future__ import annotations

from mcp_registry.models import CatalogEntry, McpServer


def is_offered(entry: CatalogEntry, owner_id: int) -> bool:
    """Whether the catalogue offers this entry to a user; the same as `selectors.catalog_for`, of one that is at hand."""
    theirs = entry.owner_id is None or entry.owner_id == owner_id or entry.published_at is not None
    return theirs and not entry.hidden and not entry.withdrawn


def update_of(server: McpServer) -> str:
    """The entry's newest version where the server has another; empty where it is up to date or nothing is offered."""
    entry = server.entry
    if entry is None or not server.version or entry.version == server.version or server.desired == McpServer.Desired.ABSENT:
        return ""
    return entry.version if is_offered(entry, server.owner_id) else ""


def word_on(server: McpServer) -> str:
    """What a person should know of the server's entry before going on with it; empty where there is nothing."""
    entry = server.entry
    if entry is None:
        return "It is in no catalogue, so there is no other version of it."
    if entry.withdrawn:
        return "Its entry was withdrawn: there are no further versions."
    if not is_offered(entry, server.owner_id):
        return "The catalogue does not offer its entry any more."
    if entry.deprecated:
        return f"Its entry is deprecated. {entry.deprecation}".strip()
    return ""
