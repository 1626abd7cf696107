"""Making API tokens that count for some agents alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import ApiToken, User
from accounts.services import MadeToken, make_token
from agentopia.lib.errors import InvalidInput
from agents.models import Agent, AgentToken


@transaction.atomic
def make_agent_token(
    *, user: User, name: str, agents: Collection[UUID], expires_at: datetime | None = None, calls_per_minute: int | None = None
) -> MadeToken:
    """Make a token for the gateway of these agents of the user's, and nothing else.

    Raises `InvalidInput` for none, or for one that the user does not have, and as `accounts.services.make_token` does.
    """
    chosen = list(Agent.objects.filter(owner=user, pk__in=agents).order_by("name", "pk"))
    if not chosen or len(chosen) != len(set(agents)):
        problem = "Choose at least one agent." if not agents else "One of these agents is not there any more. Choose again."
        raise InvalidInput(problem, fields={"agents": problem})
    made = make_token(
        user=user,
        name=name,
        scope=ApiToken.Scope.AGENTS,
        expires_at=expires_at,
        calls_per_minute=calls_per_minute,
        summary="For " + ", ".join(f"“{agent.name}”" for agent in chosen),
    )
    AgentToken.objects.bulk_create([AgentToken(token=made.row, agent=agent) for agent in chosen])
    return made
