"""Reading an agent's toolset: a fixed number of queries, however many tools there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils import timezone

from agentopia.lib.errors import NotFound
from agents.models import Agent, Grant, GrantedTool
from agents.models.limits import Limits
from agents.naming import exposed_names
from agents.toolsets import news
from agents.toolsets.types import Allowance, HeldTool, Hold, OfferedServer, OfferedTool, Toolset
from mcp_registry.manifest import profile_in
from mcp_registry.models import McpServer, Tool
from mcp_registry.status import status_of

LIMITS = ("calls_per_minute", "calls_per_day", "cpu_seconds_per_day")
OF_AGENT = (
    *("owner", "name", "slug", "tool_mode", "top_k", "version", *LIMITS),
    *(f"owner__call_policy__{field}" for field in LIMITS),
)
OF_GRANT = (
    *("agent", "tools", "approval", "expires_at", *LIMITS),
    *(f"server__{field}" for field in ("name", "toolbox", "secrets", "desired", "generation", "deployment")),
    *(f"server__{field}" for field in ("phase", "observed_generation", "tools_hash", "reason")),
    *(f"server__toolbox__{field}" for field in ("name", "enrolled_at", "last_seen_at", "info")),
    *(f"server__deployment__{field}" for field in ("status", "detail", "not_before")),
)

type Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """A tool as its server offers it now."""

    id: int
    server_id: UUID
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Pin:
    """What `GrantedTool` says of it."""

    digest: str
    refused_digest: str
    approval: str
    argument_rules: Mapping[str, Any] | None
    pinned: bool


def load(agent_id: UUID, known: Toolset | None = None) -> Toolset:
    """Read it. Definitions that ``known`` has are not read again. Raises `NotFound` for none, a disabled one and one whose owner is."""
    now = timezone.now()
    # Its version comes first: what is read after it is at least as new.
    agents = Agent.objects.select_related("owner__call_policy").only(*OF_AGENT)
    agent = agents.filter(pk=agent_id, enabled=True, owner__is_active=True).first()
    if agent is None:
        raise NotFound("There is no such agent, or it is switched off.", code="agent_not_found")
    news.note(agent.pk, agent.version)
    grants = {grant.server_id: grant for grant in _grants(agent, now)}
    servers = {server_id: _server(grant, now) for server_id, grant in grants.items()}
    found = _tools(grants)
    pins = _pins(grants.values())
    names = exposed_names((servers[tool.server_id].name, tool.name) for tool in found)
    offered: list[tuple[_Found, _Pin]] = []
    held: list[HeldTool] = []
    for tool in found:
        pin = pins.get((grants[tool.server_id].pk, tool.name))
        hold = _hold(tool, pin)
        if pin is not None and hold is None:
            offered.append((tool, pin))
        elif hold is not None:
            held.append(HeldTool(tool.name, servers[tool.server_id], hold))
    definitions = _definitions([tool for tool, _ in offered], known)
    tools: dict[str, OfferedTool] = {}
    for tool, pin in offered:
        if (definition := definitions.get(tool.id)) is not None:
            server = servers[tool.server_id]
            name = names[server.name, tool.name]
            tools[name] = OfferedTool(
                name=name,
                tool_name=tool.name,
                server=server,
                definition=definition,
                digest=tool.digest,
                approval=Grant.Approval(pin.approval or grants[tool.server_id].approval),
                argument_rules=pin.argument_rules,
                pinned=pin.pinned,
            )
    return Toolset(
        agent_id=agent.pk,
        owner_id=agent.owner_id,
        slug=agent.slug,
        name=agent.name,
        tool_mode=agent.tool_mode,
        top_k=agent.top_k,
        version=agent.version,
        allowance=_allowance(agent),
        owner_allowance=_allowance(getattr(agent.owner, "call_policy", None)),
        servers={server.name: server for server in servers.values()},
        tools=tools,
        held=tuple(held),
    )


def version_of(agent_id: UUID) -> int | None:
    """The version of an agent that may be used; None where there is none."""
    return Agent.objects.filter(pk=agent_id, enabled=True, owner__is_active=True).values_list("version", flat=True).first()


def versions_of(agent_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The versions of those of these agents that may be used."""
    return dict(Agent.objects.filter(pk__in=agent_ids, enabled=True, owner__is_active=True).values_list("pk", "version"))


def _grants(agent: Agent, now: datetime) -> list[Grant]:
    """Those that count now, by their servers' names."""
    counts = Q(expires_at=None) | Q(expires_at__gt=now)
    grants = agent.grants.filter(counts).exclude(server__desired=McpServer.Desired.ABSENT)
    sessions = KeyTextTransform("mode", KeyTransform("sessions", profile_in("server__manifest")))
    rows = grants.select_related("server__toolbox", "server__deployment").annotate(sessions=sessions).only(*OF_GRANT)
    return sorted(rows, key=lambda grant: grant.server.name)


def _server(grant: Grant, now: datetime) -> OfferedServer:
    server = grant.server
    status = status_of(server, now)
    return OfferedServer(
        id=server.pk,
        name=server.name,
        toolbox_id=server.toolbox_id,
        grant_id=grant.pk,
        gives_all=grant.tools is None,
        state=status.state,
        reason=status.reason,
        expires_at=grant.expires_at,
        allowance=_allowance(grant),
        secrets=tuple(server.secrets.values()),
        generation=server.observed_generation,
        has_own_containers=grant.sessions == "own",  # type: ignore[attr-defined]  # asked for with it
    )


def _tools(grants: Mapping[UUID, Grant]) -> list[_Found]:
    """What the grants name of what their servers offer, in the order of the grants and of the servers' lists."""
    by_server: dict[UUID, list[_Found]] = {server_id: [] for server_id in grants}
    chosen = {server_id: None if grant.tools is None else frozenset(grant.tools) for server_id, grant in grants.items()}
    rows = Tool.objects.filter(server__in=list(grants)).order_by("position", "name").values_list("pk", "server_id", "name", "digest")
    for row in rows.iterator(chunk_size=2000):
        tool = _Found(*row)
        names = chosen[tool.server_id]
        if names is None or tool.name in names:
            by_server[tool.server_id].append(tool)
    return [tool for tools in by_server.values() for tool in tools]


def _pins(grants: Iterable[Grant]) -> dict[tuple[UUID, str], _Pin]:
    rows = GrantedTool.objects.filter(grant__in=list(grants)).order_by()
    fields = ("grant_id", "name", "digest", "refused_digest", "approval", "argument_rules", "pinned")
    return {(row[0], row[1]): _Pin(*row[2:]) for row in rows.values_list(*fields).iterator(chunk_size=2000)}


def _hold(tool: _Found, pin: _Pin | None) -> Hold | None:
    """Why it is held back; what nobody has looked at yet is, too."""
    if pin is not None and pin.digest == tool.digest:
        return None
    if pin is not None and pin.refused_digest == tool.digest:
        return Hold.REFUSED
    return Hold.CHANGED if pin is not None and pin.digest else Hold.NEW


def _definitions(tools: list[_Found], known: Toolset | None) -> dict[int, Definition]:
    """By the tool's row. One that was changed since it was found is left out: another version of the toolset is on its way then."""
    had = {(tool.server.id, tool.tool_name, tool.digest): tool.definition for tool in known.tools.values()} if known else {}
    definitions = {tool.id: had[key] for tool in tools if (key := (tool.server_id, tool.name, tool.digest)) in had}
    missing = {tool.id: tool.digest for tool in tools if tool.id not in definitions}
    return {**definitions, **dict(_read(missing))}


def _read(digests: Mapping[int, str]) -> Iterator[tuple[int, Definition]]:
    if not digests:
        return
    rows = Tool.objects.filter(pk__in=list(digests)).order_by().values_list("pk", "digest", "definition")
    for tool_id, digest, definition in rows.iterator(chunk_size=500):
        if digests[tool_id] == digest:
            yield tool_id, definition


def _allowance(limits: Limits | None) -> Allowance:
    if limits is None:
        return Allowance()
    return Allowance(limits.calls_per_minute, limits.calls_per_day, limits.cpu_seconds_per_day)
