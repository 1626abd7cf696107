"""What happens elsewhere and changes what agents may use: servers' tools and states, toolboxes that fall silent, rows that go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models.signals import post_delete

from agents.models import Agent, Grant
from agents.pinning.pins import sync_pins
from agents.selection import asking
from agents.toolsets.touch import tell_gone, touch
from mcp_registry.models import McpServer
from mcp_registry.services import listeners as servers
from toolboxes.services import listeners as toolboxes


def connect() -> None:
    """Hear of it from now on; once, when the process starts."""
    servers.tools_stored.append(_tools_stored)
    servers.tools_stored.append(asking.tools_stored)
    servers.status_changed.append(_status_changed)
    toolboxes.reporting_changed.append(_reporting_changed)
    # A grant goes with its server, its agent or its owner too, and in the administration: all those ways end here.
    post_delete.connect(_grant_gone, sender=Grant, dispatch_uid="agents.grant_gone")
    post_delete.connect(_agent_gone, sender=Agent, dispatch_uid="agents.agent_gone")


def _tools_stored(server: McpServer, before: Mapping[str, str]) -> None:
    sync_pins(server, before)
    touch(server_ids=[server.pk])


def _status_changed(server_id: UUID) -> None:
    touch(server_ids=[server_id])


def _reporting_changed(toolbox_ids: Collection[UUID]) -> None:
    touch(toolbox_ids=toolbox_ids)


def _grant_gone(instance: Grant, **_: Any) -> None:
    touch(agent_ids=[instance.agent_id])


def _agent_gone(instance: Agent, **_: Any) -> None:
    tell_gone(instance.pk, instance.version + 1)
