"""Reads: somebody's API tokens."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiToken, User


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """All of the user's, newest first, each with the agents that it is for (``agent_tokens``)."""
    return user.api_tokens.prefetch_related("agent_tokens__agent")


def is_over(token: ApiToken) -> bool:
    """Whether its time is over."""
    return token.expires_at is not None and token.expires_at <= timezone.now()


def agent_names(token: ApiToken) -> list[str]:
    """Of the agents that a token is for; empty for one that is for everything, and for one whose agents are gone."""
    return sorted(link.agent.name for link in token.agent_tokens.all())


def tokens_for_agent(user: User, agent_id: UUID) -> QuerySet[ApiToken]:
    """Those of the user's that are for this agent, alone or with others, newest first."""
    return user.api_tokens.filter(agent_tokens__agent_id=agent_id)
