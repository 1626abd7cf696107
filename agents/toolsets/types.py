"""A snapshot of what an agent may use. Nothing in it changes: a change makes another one, with a higher version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from agents.models import Grant
from mcp_registry.status import Status


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be called; None: as much as one likes."""

    per_minute: int | None = None
    per_day: int | None = None
    cpu_seconds_per_day: int | None = None

    @property
    def is_limited(self) -> bool:
        return any(limit is not None for limit in (self.per_minute, self.per_day, self.cpu_seconds_per_day))


@dataclass(frozen=True, slots=True)
class OfferedServer:
    """A server under a grant. ``state`` and ``reason`` are what was last known, as pages show it."""

    id: UUID
    name: str
    toolbox_id: UUID
    grant_id: UUID
    gives_all: bool
    """Whether the grant is for the whole server: resources, prompts and completions too."""
    state: Status
    reason: str
    expires_at: datetime | None
    allowance: Allowance
    secrets: tuple[str, ...] = field(repr=False)
    """Those that it was started with, to be masked in what is written down."""
    generation: int = 0
    """Of what runs, as was last known."""
    has_own_containers: bool = False
    """Whether each session there is a container of its own."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that the agent may call. ``name`` is what the agent knows it by, ``tool_name`` what its server does."""

    name: str
    tool_name: str
    server: OfferedServer
    definition: Mapping[str, Any]
    """The MCP `Tool` as the server gave it."""
    digest: str
    approval: Grant.Approval
    argument_rules: Mapping[str, Any] | None
    pinned: bool

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return dict(self.definition.get("inputSchema") or {"type": "object"})


class Hold(StrEnum):
    """Why a tool that its server offers is held back."""

    NEW = "new"
    CHANGED = "changed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class HeldTool:
    """A tool under a grant that waits for its owner's approval, or does not get it."""

    tool_name: str
    server: OfferedServer
    hold: Hold


@dataclass(frozen=True)
class Toolset:
    """All of it, for one agent."""

    agent_id: UUID
    owner_id: int
    slug: str
    name: str
    tool_mode: str
    top_k: int
    version: int
    allowance: Allowance
    owner_allowance: Allowance
    servers: Mapping[str, OfferedServer]
    """By their names, sorted by them."""
    tools: Mapping[str, OfferedTool]
    """By the names that the agent knows, in the order of the servers' names and then of the servers' lists."""
    held: tuple[HeldTool, ...]

    @cached_property
    def by_server(self) -> dict[str, dict[str, OfferedTool]]:
        """The tools by their server's name and their own."""
        found: dict[str, dict[str, OfferedTool]] = {name: {} for name in self.servers}
        for tool in self.tools.values():
            found[tool.server.name][tool.tool_name] = tool
        return found

    @cached_property
    def listed(self) -> bytes:
        """The JSON array of MCP `Tool` objects under the names that the agent knows."""
        return _encoded([{**tool.definition, "name": tool.name} for tool in self.tools.values()])

    @cached_property
    def listed_by_server(self) -> dict[str, bytes]:
        """The same for each server, under the server's own names."""
        return {name: _encoded([tool.definition for tool in tools.values()]) for name, tools in self.by_server.items()}


def _encoded(definitions: list[Any]) -> bytes:
    return json.dumps(definitions, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
