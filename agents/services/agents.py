"""Agents are made, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts import audit
from accounts.models import User
from agentopia.lib.deadlocks import over_deadlocks
from agentopia.lib.errors import Conflict, InvalidInput
from agents.models import Agent
from agents.selectors import agent_for
from agents.services.fields import change
from agents.services.locks import locked_agent
from agents.toolsets.touch import touch
from mcp_registry.models import McpServer

MOST_AGENTS = 1_000
LONGEST_SLUG = 63


class AgentFields(TypedDict, total=False):
    """What a user says of an agent. An empty ``slug`` of a new one is made from its name."""

    name: str
    slug: str
    instructions: str
    model: str
    tool_mode: str
    top_k: int
    enabled: bool
    calls_per_minute: int | None
    calls_per_day: int | None
    cpu_seconds_per_day: int | None


FIELDS = tuple(AgentFields.__annotations__)


def create_agent(*, owner: User, **fields: Unpack[AgentFields]) -> Agent:
    """Make an agent, which may use nothing yet. Raises `InvalidInput`, and `Conflict` for a slug that is taken or one agent too many."""
    agent = Agent(owner=owner)
    slug = (fields.get("slug") or "").strip()
    given: AgentFields = {"name": "", **fields, "slug": slug or _free_slug(owner, fields.get("name") or "")}
    change(agent, given, FIELDS)
    with _taken_slug_told(), transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two at once must not both be the last that there is room for
        if owner.agents.count() >= MOST_AGENTS:
            raise Conflict(f"You have {MOST_AGENTS} agents. Delete those that are not used any more.", code="too_many_agents")
        agent.save(force_insert=True)
        audit.record(action="agent.made", target=agent, owner=owner)
    return agent


def change_agent(*, owner: User, agent_id: UUID | str, **fields: Unpack[AgentFields]) -> Agent:
    """Change what is given. Raises `NotFound`, `InvalidInput` and `Conflict`; nothing is changed then."""
    agent = agent_for(owner, agent_id)
    with _taken_slug_told(), transaction.atomic():
        agent = locked_agent(agent.pk)
        if "slug" in fields and not (fields["slug"] or "").strip():
            raise InvalidInput("An agent has a name in addresses.", fields={"slug": "Say one."})
        changes = change(agent, fields, FIELDS)
        if changes:
            agent.save(update_fields=(*changes, "updated_at"))
            audit.record(action="agent.changed", target=agent, owner=owner, changes=changes)
            touch(agent_ids=[agent.pk])
    return agent


@over_deadlocks
def delete_agent(*, owner: User, agent_id: UUID | str) -> None:
    """Delete it with its grants; its next call is refused. Receipts of its calls stay. Raises `NotFound`."""
    agent = agent_for(owner, agent_id)
    while not _deleted(agent):
        pass  # a server was connected in between


@transaction.atomic
def _deleted(agent: Agent) -> bool:
    """Delete it, unless it has a grant for a server that is not held: what is observed of that would be in the way, and this in its."""
    servers = McpServer.objects.select_for_update(no_key=True).filter(pk__in=agent.grants.values("server")).order_by("pk")
    held = {server.pk for server in servers}
    agent = locked_agent(agent.pk, to_delete=True)
    if not held.issuperset(agent.grants.values_list("server", flat=True)):
        return False
    audit.record(action="agent.deleted", target=agent, owner=agent.owner_id)
    agent.delete()
    return True


@contextmanager
def _taken_slug_told() -> Iterator[None]:
    """The database's refusal of a slug as a sentence."""
    try:
        yield
    except IntegrityError as error:
        if "agent_slug_unique_to_owner" not in str(error):
            raise
        message = "Another agent of yours has this name in addresses. Choose another."
        raise Conflict(message, code="slug_taken", fields={"slug": "Taken."}) from None


def _free_slug(owner: User, name: str) -> str:
    wanted = slugify(name)[: LONGEST_SLUG - 5].strip("-_").replace("_", "-") or "agent"
    taken = set(owner.agents.filter(slug__startswith=wanted).values_list("slug", flat=True))
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return wanted if wanted not in taken else next(slug for slug in numbered if slug not in taken)
