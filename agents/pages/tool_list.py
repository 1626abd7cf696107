"""The tools of one agent: what of them is asked for, and what a row shows. Pages, not all at once: an agent may have 10,000."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.models import Agent, Grant, GrantedTool
from agents.toolsets.types import Hold
from mcp_registry.models import McpServer, Tool
from mcp_registry.status import ServerStatus, status_of

PER_PAGE = 30
MOST_WORDS = 10
READ = (
    *("agent", "tools", "approval", "expires_at"),
    *(f"server__{field}" for field in ("name", "desired", "generation", "phase", "observed_generation", "tools_hash", "reason")),
    *(f"server__toolbox__{field}" for field in ("name", "enrolled_at", "last_seen_at", "info")),
    *(f"server__deployment__{field}" for field in ("status", "detail", "not_before")),
)
"""What the list reads of a grant, and `status_of` of its server."""
SHOWN = {"": "All tools", "held": "Held back", "ask": "I am asked first", "pinned": "Always given", "rules": "With rules of their own"}
DESTRUCTIVE = ~Q(definition__contains={"annotations": {"destructiveHint": False}}) & ~Q(
    definition__contains={"annotations": {"readOnlyHint": True}}
)
"""As MCP has it: what says nothing of itself may destroy."""


@dataclass(frozen=True)
class ToolQuery:
    """Which of an agent's tools are asked for. ``search`` is a request in words, by which they are ranked."""

    search: str = ""
    server: str = ""
    show: str = ""
    page: str = "1"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> ToolQuery:
        """From the query string; what cannot be used counts as not given."""
        show = str(given.get("show", ""))
        return cls(
            search=str(given.get("search", "")).replace("\0", "").strip()[:500],
            server=_id(str(given.get("server", ""))),
            show=show if show in SHOWN else "",
            page=str(given.get("page", "1")),
        )

    @property
    def encoded(self) -> str:
        """As a query string, without what is not given."""
        return urlencode({name: value for name, value in vars(self).items() if value != getattr(ToolQuery, name)})

    @property
    def narrows(self) -> bool:
        """Whether it leaves any out."""
        return bool(self.search or self.server or self.show)


@dataclass(frozen=True)
class GrantedServer:
    """A server that the agent is connected to, and its state."""

    grant: Grant
    status: ServerStatus

    @property
    def server(self) -> McpServer:
        return self.grant.server

    @property
    def has_ended(self) -> bool:
        """Whether its time is over."""
        return self.grant.expires_at is not None and self.grant.expires_at <= timezone.now()

    @property
    def answers(self) -> bool:
        """Whether its tools can be called now."""
        return self.status.state in ("running", "unhealthy")


@dataclass(frozen=True)
class ToolRow:
    """A tool under a grant. ``hold`` says why it is held back; ``score`` (0…1) and ``why`` are the ranking's."""

    tool: Tool
    granted: GrantedTool | None
    connected: GrantedServer
    score: float | None = None
    why: list[str] = field(default_factory=list)

    @property
    def hold(self) -> Hold | None:
        return hold_of(self.tool, self.granted)

    @property
    def approval(self) -> str:
        """What counts: its own, or the grant's."""
        return (self.granted.approval if self.granted else "") or self.connected.grant.approval

    @property
    def asks(self) -> bool:
        """Whether a person is asked before a call."""
        return self.approval == Grant.Approval.ALWAYS or (self.approval == Grant.Approval.DESTRUCTIVE and may_destroy(self.tool))


def hold_of(tool: Tool, granted: GrantedTool | None) -> Hold | None:
    """Why a tool is held back; None: it is not."""
    if granted is None or not granted.digest:
        return Hold.REFUSED if granted and granted.refused_digest == tool.digest else Hold.NEW
    if granted.digest == tool.digest:
        return None
    return Hold.REFUSED if granted.refused_digest == tool.digest else Hold.CHANGED


def may_destroy(tool: Tool) -> bool:
    """What its annotations say, with MCP's defaults."""
    annotations = tool.definition.get("annotations")
    hints = annotations if isinstance(annotations, dict) else {}
    return hints.get("destructiveHint") is not False and hints.get("readOnlyHint") is not True


def connected_servers(agent: Agent) -> list[GrantedServer]:
    """The agent's grants with the state of their servers; one query."""
    grants = agent.grants.select_related("server__toolbox", "server__deployment").only(*READ)
    return [GrantedServer(grant, status_of(grant.server)) for grant in grants]


def granted_tools(servers: Iterable[GrantedServer]) -> QuerySet[Any]:
    """The tools that these grants are for, held back or not; by server, in the server's order."""
    wanted = Q(pk__in=())
    for connected in servers:
        here = Q(server=connected.server.pk)
        wanted |= here if connected.grant.tools is None else here & Q(name__in=connected.grant.tools)
    return Tool.objects.filter(wanted).order_by("server__name", "position")


def asked_for(agent: Agent, servers: Iterable[GrantedServer], query: ToolQuery) -> QuerySet[Any]:
    """The tools that are asked for, but for the words of the search."""
    chosen = [connected for connected in servers if not query.server or str(connected.server.pk) == query.server]
    return _shown(granted_tools(chosen), agent, query.show)


def page_of_tools(agent: Agent, servers: Sequence[GrantedServer], query: ToolQuery) -> tuple[Page[Any], list[ToolRow]]:
    """One page of the tools that are asked for, not ranked: those that have all the words in their name, title or description."""
    found = asked_for(agent, servers, query)
    for word in query.search.split()[:MOST_WORDS]:
        found = found.filter(Q(name__icontains=word) | Q(definition__title__icontains=word) | Q(definition__description__icontains=word))
    page = Paginator(found, PER_PAGE).get_page(query.page)
    return page, rows_of(agent, servers, list(page))


def held_tools(agent: Agent, servers: Iterable[GrantedServer]) -> QuerySet[Any]:
    """Those that are held back."""
    return _shown(granted_tools(servers), agent, "held")


def rows_of(agent: Agent, servers: Iterable[GrantedServer], tools: Iterable[Tool]) -> list[ToolRow]:
    """The tools with their rules; one query."""
    shown = list(tools)
    by_server = {connected.server.pk: connected for connected in servers}
    names = {tool.name for tool in shown}
    kept = GrantedTool.objects.filter(grant__agent=agent, name__in=names).select_related("grant") if names else []
    rules = {(one.grant.server_id, one.name): one for one in kept}
    return [
        ToolRow(tool, rules.get((tool.server_id, tool.name)), by_server[tool.server_id]) for tool in shown if tool.server_id in by_server
    ]


def _shown(tools: QuerySet[Any], agent: Agent, show: str) -> QuerySet[Any]:
    of_tool = GrantedTool.objects.filter(grant__agent=agent, grant__server=OuterRef("server"), name=OuterRef("name"))
    match show:
        case "held":
            return tools.exclude(Exists(of_tool.filter(digest=OuterRef("digest"))))
        case "pinned":
            return tools.filter(Exists(of_tool.filter(pinned=True)))
        case "rules":
            return tools.filter(Exists(of_tool.exclude(approval="", argument_rules__isnull=True)))
        case "ask":
            return tools.filter(_asks(agent, of_tool))
    return tools


def _asks(agent: Agent, of_tool: QuerySet[Any]) -> Q:
    own = {word: Q(Exists(of_tool.filter(approval=word))) for word in Grant.Approval}
    as_grant = ~Q(Exists(of_tool.exclude(approval="")))
    grants = Grant.objects.filter(agent=agent, server=OuterRef("server"))
    of_grant = {word: Q(Exists(grants.filter(approval=word))) for word in Grant.Approval}
    always, when_destructive = Grant.Approval.ALWAYS, Grant.Approval.DESTRUCTIVE
    return own[always] | (as_grant & of_grant[always]) | ((own[when_destructive] | (as_grant & of_grant[when_destructive])) & DESTRUCTIVE)


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
