"""What the page of an agent's held-back tools shows: what is other than it was, and what is conspicuous about it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator

from accounts.models import User
from agents.models import Agent
from agents.pages.agent import head
from agents.pages.tool_list import ToolRow, connected_servers, held_tools, rows_of
from agents.pinning.held import changes_of
from agents.pinning.inspection import Finding, holds, inspect
from agents.selectors import agent_for
from agents.toolsets.types import Hold
from mcp_registry.models import Tool
from mcp_registry.upgrading.tool_changes import ChangedPart, visible

PER_PAGE = 10


@dataclass(frozen=True)
class HeldTool:
    """A tool that is held back. ``parts`` are what differs from what was approved; of a new one, all of it."""

    row: ToolRow
    name: str
    parts: Sequence[ChangedPart]
    findings: Sequence[Finding]

    @property
    def is_serious(self) -> bool:
        """Whether something of it is reason to hold a tool back."""
        return holds(self.findings)

    @property
    def is_cut(self) -> bool:
        """Whether the parts leave anything out."""
        return any(line.endswith("…") or line.startswith("@") for part in self.parts for line in part.lines)

    @property
    def whole(self) -> str:
        """All of the definition: what is approved must be there to be read."""
        text = json.dumps(self.row.tool.definition, indent=2, ensure_ascii=False)
        return "\n".join(map(visible, text.split("\n")))


def held(user: User, agent_id: UUID, page: str | None) -> dict[str, Any]:
    """One page of what is held back; raises `NotFound`."""
    context = head(user, agent_id)
    agent = context["agent"]
    servers = [connected for connected in connected_servers(agent) if not connected.has_ended]
    rows: Any = Paginator(held_tools(agent, servers), PER_PAGE).get_page(page)
    changes = explained(agent, rows_of(agent, servers, rows))
    plain = [change for change in changes if not change.is_serious and change.row.hold != Hold.REFUSED]
    return {**context, "page": rows, "changes": changes, "plain": plain if len(plain) > 1 else []}


def seen_rows(user: User, agent_id: UUID, seen: Iterable[str]) -> list[tuple[ToolRow, str]]:
    """The held-back tools that a page named (``ID:DIGEST`` each), with the digest that it showed; what is not held any more is left out."""
    agent = agent_for(user, agent_id)
    digests = dict(_pairs(seen))
    servers = connected_servers(agent)
    rows = rows_of(agent, servers, held_tools(agent, servers).filter(pk__in=digests))
    return [(row, digests[row.tool.pk]) for row in rows]


def _pairs(seen: Iterable[str]) -> Iterator[tuple[int, str]]:
    for text in seen:
        number, _, digest = text.partition(":")
        if number.isascii() and number.isdecimal() and len(number) < 19:
            yield int(number), digest


def explained(agent: Agent, rows: Sequence[ToolRow]) -> list[HeldTool]:
    """Each of them with what differs and what is conspicuous; one query."""
    elsewhere = names_elsewhere(agent, {row.tool.server_id for row in rows})
    return [_explained(row, elsewhere[row.tool.server_id]) for row in rows]


def names_elsewhere(agent: Agent, server_ids: Iterable[UUID]) -> dict[UUID, tuple[frozenset[str], frozenset[str]]]:
    """For each of these servers, the names of the tools that the agent's other servers offer, and those of its own; one query."""
    wanted = set(server_ids)
    by_server: defaultdict[UUID, set[str]] = defaultdict(set)
    if wanted:
        for server_id, name in Tool.objects.filter(server__grants__agent=agent).order_by().values_list("server", "name"):
            by_server[server_id].add(name)

    def elsewhere(one: UUID) -> frozenset[str]:
        return frozenset().union(*(names for other, names in by_server.items() if other != one))

    return {one: (elsewhere(one), frozenset(by_server[one])) for one in wanted}


def _explained(row: ToolRow, names: tuple[frozenset[str], frozenset[str]]) -> HeldTool:
    before = row.granted.definition if row.granted and row.granted.digest else None
    after = row.tool.definition
    return HeldTool(row, visible(row.tool.name[:300]), changes_of(before, after), inspect(after, *names))
