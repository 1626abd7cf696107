"""Reads: whose providers there are. What a user may use: their own, and what is shared with everybody.

Keys are left in the database, since whoever reads a row would decrypt it: only `key_of` fetches one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models import User
from agentopia.lib.errors import NotFound
from chat.models import ModelChoice, ModelProvider
from chat.providers.embedded.installed import installed_provider
from chat.providers.spending import NOTHING, spent_of


@dataclass(frozen=True)
class Shared:
    """A provider that an admin shares, and what the user has spent of it this month, in dollars."""

    provider: ModelProvider
    spent: Decimal


def own_providers(owner: User | None) -> QuerySet[ModelProvider]:
    """The user's own, by name, each with how many agents chose it (``agent_count``); for None those that are shared."""
    counted = Count("choices__agent", distinct=True)
    return ModelProvider.objects.filter(owner=owner).defer("api_key").annotate(agent_count=counted)


def own_provider(owner: User | None, provider_id: UUID | str) -> ModelProvider:
    """One of these; raises `NotFound`."""
    found = own_providers(owner).filter(pk=uuid).first() if (uuid := _uuid(provider_id)) else None
    if found is None:
        raise NotFound("You have no such provider of models; it may have been deleted.", code="provider_not_found")
    return found


def usable_providers(user: User) -> QuerySet[ModelProvider]:
    """What the user may choose models of: the own ones, then those that are shared."""
    mine = ModelProvider.objects.filter(Q(owner=user) | _shared()).defer("api_key")
    return mine.order_by("owner", "name", "pk")  # PostgreSQL puts null, which is what is shared, last


def usable_provider(user: User, provider_id: UUID | str) -> ModelProvider:
    """One of these; raises `NotFound`."""
    found = usable_providers(user).filter(pk=uuid).first() if (uuid := _uuid(provider_id)) else None
    if found is None:
        raise NotFound("There is no such provider of models; it may have been deleted.", code="provider_not_found")
    return found


def shared_providers(user: User) -> list[Shared]:
    """What an admin shares, and what the user has spent of it; the embedded model while it answers."""
    offered = _shared() if installed_provider() else _shared() & ~Q(kind=ModelProvider.Kind.EMBEDDED)
    providers = list(ModelProvider.objects.filter(offered).defer("api_key"))
    costs = spent_of([provider.pk for provider in providers], user)
    return [Shared(provider, costs.get(provider.pk, NOTHING)) for provider in providers]


def agents_that_chose(user: User, provider: ModelProvider) -> list[str]:
    """The names of the user's agents that use it, by name."""
    choices = ModelChoice.objects.filter(provider=provider, agent__owner=user).order_by("agent__name")
    return list(dict.fromkeys(choices.values_list("agent__name", flat=True)))


def key_of(provider: ModelProvider) -> str:
    """The key of a provider that somebody was allowed to reach; empty: it has none."""
    key = ModelProvider.objects.filter(pk=provider.pk).values_list("api_key", flat=True).first()
    return key if isinstance(key, str) else ""


def _shared() -> Q:
    """What is offered of what is shared: not the embedded model, where none is installed."""
    offered = Q(owner=None, enabled=True)
    return offered if settings.EMBEDDED_MODEL_URL else offered & ~Q(kind=ModelProvider.Kind.EMBEDDED)


def _uuid(text: UUID | str) -> UUID | None:
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        return None
