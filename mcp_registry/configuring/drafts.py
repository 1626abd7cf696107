"""A change of a server before it is made: what it would be, what differs, and what that does to it. Nothing is stored here."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.crypto import salted_hmac

from agentopia.lib.errors import Conflict
from dtma_wire import TooOld, spec_for
from mcp_registry.configuring.changes import Change, Difference, differences, merged, summary_of
from mcp_registry.configuring.consequences import TICKS, Consequence, Consequences, Tick, consequences
from mcp_registry.configuring.overrides import checked_overrides, effective_profile, merged_overrides
from mcp_registry.manifest import parse_manifest, settings_of
from mcp_registry.models import McpServer, Revision
from mcp_registry.neighbours import upgrade, wire_version_of
from mcp_registry.placement import Need, Obstacle, fits, need_of, rooms
from mcp_registry.selectors import seconds_to_start
from mcp_registry.services.revisions import specification_of
from mcp_registry.spec import checked_values, checked_volumes, package_of, spec_of


@dataclass(frozen=True)
class Draft:
    """A change that can be looked at before it is made. ``after`` is the server as it would be; nothing of that is stored.

    ``digest`` says whether what is applied is what was looked at; it tells nothing of secrets.
    """

    server: McpServer
    after: McpServer
    differences: list[Difference]
    consequences: Consequences
    changes_something: bool
    digest: str

    @property
    def changes_sharing(self) -> bool:
        """Whether it says otherwise than before if the catalogue may show its tools; that alone makes no generation."""
        return any(one.key == "shares_tools" for one in self.differences)

    @property
    def asked(self) -> list[tuple[Tick, str]]:
        """What has to be confirmed, each with its words."""
        return [(tick, TICKS[tick]) for tick in self.consequences.ticks]

    @property
    def summary(self) -> str:
        """What is other, in a sentence; empty where nothing is."""
        return summary_of(self.differences) or ("Its document" if self.changes_something else "")


def draft_change(server: McpServer, change: Change) -> Draft:
    """What a change would make of it. Raises `InvalidInput` for values that cannot be used, and `Conflict`."""
    manifest = parse_manifest(server.manifest)
    package = package_of(manifest, server.package)
    known = {setting.key for setting in settings_of(package)}
    config, secrets = checked_values(
        package,
        _known(merged(server.config, change.config), known | set(change.config)),
        _known(merged(server.secrets, change.secrets), known | set(change.secrets)),
    )
    content = {
        **specification_of(server),
        "config": config,
        "secrets": secrets,
        "overrides": checked_overrides(manifest.profile, merged_overrides(server.overrides, change.overrides)),
        "shared_volumes": checked_volumes(manifest.profile, merged(server.shared_volumes, change.shared_volumes)),
    }
    return _draft(server, content, server.shares_tools if change.shares_tools is None else change.shares_tools)


def draft_back(server: McpServer, revision: Revision) -> Draft:
    """What going back to a revision would make of it. Its settings are taken as they were, whatever is checked today."""
    return _draft(server, specification_of(revision), server.shares_tools)


def changed(server: McpServer, content: Mapping[str, Any]) -> McpServer:
    """A copy of it with these columns, not stored."""
    other = copy.copy(server)
    for name, value in content.items():
        setattr(other, name, value)
    return other


def without_room(server: McpServer, after: McpServer) -> Obstacle | None:
    """Why it cannot have what it would have. More memory or processors must be there; less never has to be asked for."""
    was, wanted = _need(server), _need(after)
    more = Need(wanted.memory - was.memory, 0, wanted.cpus)
    if server.desired != McpServer.Desired.RUNNING or (more.memory <= 0 and wanted.cpus <= was.cpus):
        return None
    room = next(room for room in rooms(server.owner) if room.toolbox.pk == server.toolbox_id)
    return fits(more, replace(room, closed=None)) if room.memory else None


def no_room(server: McpServer, obstacle: Obstacle) -> str:
    """That in a sentence."""
    return f"There is no room for that on “{server.toolbox}”: {obstacle.reason}."


def _draft(server: McpServer, content: Mapping[str, Any], shares_tools: bool) -> Draft:
    if server.desired == McpServer.Desired.ABSENT:
        raise Conflict(f"“{server.name}” is being deleted.", code="server_deleting")
    after = changed(server, {**content, "shares_tools": shares_tools})
    before_spec, after_spec = spec_of(server), spec_of(after)
    try:
        spec_for(after_spec, wire_version_of(server.toolbox))
    except TooOld as error:
        raise Conflict(f"{error} {upgrade(server.toolbox)}", code="dtma_too_old") from None
    told = consequences(before_spec, after_spec, seconds=seconds_to_start(server))
    obstacle = without_room(server, after)
    if obstacle is not None:
        room = Consequence(no_room(server, obstacle), "warning", None if obstacle.final else Tick.ROOM)
        told = replace(told, sentences=(*told.sentences, room))
    columns = specification_of(after)
    content_text = json.dumps([columns, shares_tools], sort_keys=True)
    return Draft(
        server=server,
        after=after,
        differences=[*differences(server, after), *_sharing(server.shares_tools, shares_tools)],
        consequences=told,
        changes_something=specification_of(server) != columns,
        digest=salted_hmac("mcp_registry.draft", content_text, algorithm="sha256").hexdigest(),
    )


def _sharing(before: bool, after: bool) -> list[Difference]:
    words = {True: "shown in the catalogue", False: "not shown"}
    return [] if before == after else [Difference("shares_tools", "Its tools", words[before], words[after])]


def _need(server: McpServer) -> Need:
    manifest = parse_manifest(server.manifest)
    return need_of(package_of(manifest, server.package), effective_profile(manifest, server.overrides))


def _known(values: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """Without the leftovers of settings that an earlier version had."""
    return {key: value for key, value in values.items() if key in keys}
