"""Having a worker read tools' texts. Kept apart from what reads: processes that only ask need not load numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import transaction

from agentopia.lib.leases import hand_over
from mcp_registry.models import McpServer

TASK = "agents.read_tools"


def ask_to_read(server_ids: Iterable[UUID]) -> None:
    """The tools of these servers. Where there is no broker they stay unread until somebody looks for tools of an agent that has them."""
    for server_id in server_ids:
        hand_over(TASK, server_id)


def tools_stored(server: McpServer, _before: Mapping[str, str]) -> None:
    """A listener of `mcp_registry.services.listeners`."""
    server_id = server.pk
    transaction.on_commit(lambda: ask_to_read([server_id]))
