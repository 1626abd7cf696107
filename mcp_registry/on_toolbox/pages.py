"""What a toolbox's pages show of its servers: the list, the containers that nobody owns, what is promised, what its removal destroys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator

from accounts.models import User
from agentopia.lib.errors import NotFound
from mcp_registry import selectors
from mcp_registry.manifest import Manifest
from mcp_registry.models import KeptData
from mcp_registry.placement import room_of
from mcp_registry.server_list import listed, rows_of
from mcp_registry.services.orphans import orphans_of
from toolboxes import pages
from toolboxes.figures import Gauge

SERVERS_PER_PAGE = 50


def servers(user: User, toolbox_id: UUID, page: str | None) -> dict[str, Any]:
    """The servers of one toolbox, each with its status, and the containers on it that nobody owns."""
    context = pages.toolbox(user, toolbox_id)
    shown = Paginator(listed(user).filter(toolbox=toolbox_id).order_by("name"), SERVERS_PER_PAGE).get_page(page)
    return {
        **context,
        "page": shown,
        "rows": rows_of(shown),
        "orphans": orphans_of(context["toolbox"]),
    }


def capacity(user: User, toolbox_id: UUID) -> dict[str, Any]:
    """What is promised to the servers of one toolbox, against what its host has."""
    toolbox = pages.toolbox(user, toolbox_id)["toolbox"]
    room = room_of(toolbox)
    return {"toolbox": toolbox, "room": room, "promised": Gauge(room.promised, room.memory) if room.memory else None}


def removal(user: User, toolbox_id: UUID) -> dict[str, Any]:
    """What the removal of a toolbox destroys: every server, and which of them have stored data."""
    context = pages.toolbox(user, toolbox_id)
    doomed = list(selectors.servers_for(user).filter(toolbox=toolbox_id).order_by("name"))
    with_data = [(server, [volume.path for volume in Manifest.model_validate(server.manifest).profile.volumes]) for server in doomed]
    kept = list(KeptData.objects.filter(owner=user, toolbox=toolbox_id).values_list("name", flat=True))
    return {**context, "doomed": with_data, "kept": kept, "removal": context["provider"].removal(context["toolbox"])}


def orphan(user: User, toolbox_id: UUID, key: str) -> dict[str, Any]:
    """One container or server that nobody owns. Raises `NotFound`."""
    context = pages.toolbox(user, toolbox_id)
    found = next((orphan for orphan in orphans_of(context["toolbox"]) if orphan.key == key), None)
    if found is None:
        raise NotFound("There is no such container or server any more.", code="orphan_not_found")
    return {**context, "orphan": found}
