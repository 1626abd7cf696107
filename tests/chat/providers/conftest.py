"""What tests of providers share: a provider that is a real server, and forgotten counts of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.models import User
from agents.models import Agent
from chat.models import ModelProvider, ModelUsage
from chat.providers import trying
from tests.chat.providers.double import KEY, ProviderDouble

type AddProvider = Callable[..., ModelProvider]


@pytest.fixture
def double() -> Iterator[ProviderDouble]:
    """It takes one key, and has two models."""
    served = ProviderDouble().start()
    yield served
    served.stop()


@pytest.fixture(autouse=True)
def nobody_tested(user: User, stranger: User) -> None:
    """What was counted of tests lies in Redis, and ids of users come again in other databases."""
    cache.delete_many([f"{trying.CACHE_KEY}:{who.pk}" for who in (user, stranger)])


@pytest.fixture
def add(user: User, double: ProviderDouble) -> AddProvider:
    """Adds a provider's row as a test of it would have left it, without asking it."""

    def made(name: str = "Mine", **fields: object) -> ModelProvider:
        usual = {"owner": user, "kind": "openai", "base_url": double.url, "api_key": KEY, "default_model": "model-small"}
        return ModelProvider.objects.create(name=name, **{**usual, **fields})

    return made


def used(owner: User, provider: ModelProvider | None, cost: str | None = None, agent: Agent | None = None, **fields: object) -> ModelUsage:
    """A line of the ledger: one request now, unless told otherwise."""
    usual = {
        "owner": owner, "agent": agent, "agent_name": agent.name if agent else "Gone", "provider": provider,
        "provider_name": provider.name if provider else "Gone", "model": "model-small", "created_at": timezone.now(),
        "requests": 1, "input_tokens": 100, "output_tokens": 10, "cost_usd": None if cost is None else Decimal(cost),
    }  # fmt: skip
    return ModelUsage.objects.create(**{**usual, **fields})
