"""Which tools an entry's page says that it has: those of a server of it, where nobody's privacy is touched by that.

The tools of a server without any settings are those of the entry itself. What a server has that somebody gave settings to may tell of them
(the tables of a database, the boards of a company): its owner must have allowed it. An entry that its owner alone sees shows them always.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils import timezone

from mcp_registry.models import CatalogEntry, McpServer

TOOLS_LIMIT = 300
NAME_LIMIT = 200
DESCRIPTION_LIMIT = 1000
WORDS_LIMIT = 10_000
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-z]+")


def show_tools(server: McpServer) -> None:
    """Put a server's tools on its entry's page, if they may be shown there and none of a newer version are; in the caller's transaction."""
    if server.entry_id is None:
        return
    entry = CatalogEntry.objects.select_for_update(of=("self",), no_key=True).filter(pk=server.entry_id).defer("manifest").first()
    if entry is None or not _may_be_shown(server, entry) or not _is_as_new(server.version, entry):
        return
    tools = [_brief(definition) for definition in server.tools.values_list("definition", flat=True)[:TOOLS_LIMIT]]
    CatalogEntry.objects.filter(pk=entry.pk).update(
        tools=tools, tools_version=server.version, tools_seen_at=timezone.now(), tool_names=_words(tools)
    )


def forget_tools(entry: CatalogEntry) -> None:
    """Show none on this entry's page until a server that may be shown tells them again; in the caller's transaction."""
    CatalogEntry.objects.filter(pk=entry.pk).update(tools=None, tools_version="", tools_seen_at=None, tool_names="")


def _may_be_shown(server: McpServer, entry: CatalogEntry) -> bool:
    if entry.owner_id == server.owner_id and entry.published_at is None:
        return True
    plain = not (server.config or server.secrets or server.overrides or server.shared_volumes or server.package)
    return plain or server.shares_tools


def _is_as_new(version: str, entry: CatalogEntry) -> bool:
    """Whether nothing of a newer version is shown; versions are as new as their registry says."""
    if entry.tools is None or version in (entry.version, entry.tools_version):
        return True
    dates = dict(entry.versions.filter(version__in=(version, entry.tools_version)).values_list("version", "published_at"))
    return version in dates and entry.tools_version in dates and dates[version] >= dates[entry.tools_version]


def _brief(definition: dict[str, Any]) -> dict[str, Any]:
    """Of a tool, as its server described it, what is shown; a server may say anything, so each part is looked at."""
    annotations = definition.get("annotations")
    annotations = annotations if isinstance(annotations, dict) else {}
    return {
        "name": _text(definition.get("name"), NAME_LIMIT),
        "title": _text(definition.get("title") or annotations.get("title"), NAME_LIMIT),
        "description": _text(definition.get("description"), DESCRIPTION_LIMIT),
        "annotations": {hint: annotations[hint] for hint in HINTS if isinstance(annotations.get(hint), bool)},
    }


def _text(value: Any, limit: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _words(tools: list[dict[str, Any]]) -> str:
    """Their names in words: ``search_nodes`` and ``searchNodes`` are found by "nodes"."""
    names = (" ".join(_HUMP.split(f"{tool['name']} {tool['title']}")) for tool in tools)
    return " ".join(dict.fromkeys(word for name in names for word in name.lower().split()))[:WORDS_LIMIT]
