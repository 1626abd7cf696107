"""Who else is told of servers: apps above this one, which it does not know, put their functions here.

All are called within the transaction that makes the change, and raise nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from mcp_registry.models import McpServer

tools_stored: list[Callable[[McpServer, Mapping[str, str]], None]] = []
"""A server's tools were stored anew; given it, and by their names the digests of those that it had before."""

status_changed: list[Callable[[UUID], None]] = []
"""What `status_of` finds of a server may be something else now, or what it is made from is; given its id."""


def tell_status_changed(server_id: UUID) -> None:
    """Tell them."""
    for listener in status_changed:
        listener(server_id)
