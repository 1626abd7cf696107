"""Which model an agent thinks with, and whose money that costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from agentopia.lib.errors import InvalidInput, NotFound
from agents.models import Agent
from chat.models import ModelProvider
from chat.providers.choices import choose_models
from chat.providers.choosing import BudgetReached, ModelUse, NoModel, check_budget, models_for, price_of
from chat.providers.months import Month
from chat.providers.spending import spenders
from chat.providers.windows import window_of
from tests.chat.providers.conftest import AddProvider, used
from tests.chat.providers.double import KEY, ProviderDouble

pytestmark = pytest.mark.django_db


def told(agent: Agent) -> list[str]:
    agent.refresh_from_db()
    return [str(use) for use in models_for(agent)]


def test_without_any_it_is_said_what_to_do(agent: Agent) -> None:
    with pytest.raises(NoModel, match="add a provider of models under “Models”") as caught:
        models_for(agent)
    assert (caught.value.code, caught.value.http_status) == ("no_model", 409)


def test_the_order(user: User, agent: Agent, add: AddProvider) -> None:
    shared = add("Shared", owner=None, default_model="shared-model")
    assert told(agent) == ["Shared: shared-model"]
    first = add("A mine", default_model="")
    with_default = add("B mine", default_model="model-b")
    add("C mine", default_model="model-c")
    assert told(agent) == ["B mine: model-b", "C mine: model-c"]
    Agent.objects.filter(pk=agent.pk).update(model="model-x")
    assert told(agent) == ["A mine: model-x"]
    ModelProvider.objects.filter(pk=with_default.pk).update(models_known=["model-x"])
    assert told(agent) == ["B mine: model-x"]
    choose_models(owner=user, agent_id=agent.pk, chosen=[(shared.pk, ""), (first.pk, "model-a")])
    assert told(agent) == ["Shared: shared-model", "A mine: model-a"]


def test_what_is_switched_off_is_not_used(user: User, agent: Agent, add: AddProvider) -> None:
    one, other = add("One"), add("Other", default_model="other")
    choose_models(owner=user, agent_id=agent.pk, chosen=[(one.pk, ""), (other.pk, "")])
    ModelProvider.objects.filter(pk=one.pk).update(enabled=False)
    assert told(agent) == ["Other: other"]
    ModelProvider.objects.update(enabled=False)
    add("Third", default_model="third")
    with pytest.raises(NoModel, match="switched off"):  # and nothing goes to a third that was not chosen
        models_for(agent)


def test_a_provider_without_a_default_model_is_not_enough(agent: Agent, add: AddProvider) -> None:
    add(default_model="")
    with pytest.raises(NoModel, match="choose a default model"):
        models_for(agent)


def test_others_models_are_nobodys(agent: Agent, stranger: User, add: AddProvider) -> None:
    add(owner=stranger)
    with pytest.raises(NoModel):
        models_for(agent)


def test_the_embedded_model_is_the_last_and_only_while_it_answers(
    agent: Agent, add: AddProvider, double: ProviderDouble, settings: Any
) -> None:
    double.key = ""
    settings.EMBEDDED_MODEL_URL = double.url
    settings.PRIVATE_MODEL_HOSTS = []
    assert told(agent) == ["Embedded model: model-large"]
    double.stop()
    cache.clear()
    with pytest.raises(NoModel):
        models_for(agent)
    add("Mine")
    assert told(agent) == ["Mine: model-small"]


@pytest.mark.parametrize("chosen", [["a" * 201], ["bad\nname"], ["x"] * 6, ["same", "same"]])
def test_what_cannot_be_chosen(user: User, agent: Agent, add: AddProvider, chosen: list[str]) -> None:
    provider = add()
    with pytest.raises(InvalidInput):
        choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, name) for name in chosen])
    assert not agent.model_choices.exists()


def test_others_providers_and_agents_cannot_be_chosen(user: User, stranger: User, agent: Agent, add: AddProvider) -> None:
    theirs, mine = add("Theirs", owner=stranger), add("Mine")
    with pytest.raises(NotFound):
        choose_models(owner=user, agent_id=agent.pk, chosen=[(theirs.pk, "x")])
    with pytest.raises(NotFound):
        choose_models(owner=stranger, agent_id=agent.pk, chosen=[(mine.pk, "x")])


def test_a_choice_is_audited_once(user: User, agent: Agent, add: AddProvider) -> None:
    provider = add()
    for _ in range(2):
        choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, "")])
    event = AuditEvent.objects.get(action="agent.changed")
    assert event.changes == {"models": [None, "Mine: model-small"]}


def test_a_budget_is_per_user_and_month(user: User, stranger: User, add: AddProvider) -> None:
    shared = add("Shared", owner=None, budget_usd=Decimal(2))
    use = ModelUse(shared, "model-small")
    check_budget(use, user)
    used(user, shared, "1.5")
    used(user, shared, "9", created_at=Month.now().begin - timedelta(seconds=1))
    used(user, shared)
    used(user, add("Mine"), "9")
    check_budget(use, user)
    used(user, shared, "0.5", created_at=Month.now().begin)
    with pytest.raises(BudgetReached, match="“Shared” this month") as caught:
        check_budget(use, user)
    assert (caught.value.code, caught.value.http_status) == ("budget_reached", 402)
    check_budget(use, stranger)
    assert spenders(shared)[0] == Decimal(2)


def test_ones_own_provider_has_no_budget(user: User, add: AddProvider) -> None:
    check_budget(ModelUse(add(), "model-small"), user)


@pytest.mark.parametrize(
    ("provider", "model", "price", "window"),
    [
        ({"kind": "openai"}, "gpt-5-mini", "0.0003375", 400_000),
        ({"kind": "openai", "base_url": "https://openrouter.ai/api/v1"}, "anthropic/claude-sonnet-4.5", "0.00315", 1_000_000),
        ({"kind": "anthropic"}, "claude-sonnet-4-5", "0.00315", 200_000),
        ({"kind": "google"}, "gemini-2.5-flash", "0.000415", 1_000_000),
        ({"kind": "openai", "base_url": "http://localhost:11434/v1"}, "qwen3:8b", None, 8_000),
        ({"kind": "openai", "base_url": "http://gpu:8000/v1"}, "Qwen/Qwen3-8B", None, 32_000),
        ({"kind": "openai", "base_url": "http://gpu:8000/v1"}, "unheard-of", None, 32_000),
        ({"kind": "anthropic", "base_url": "https://proxy.example.org"}, "claude-sonnet-4-5", None, 32_000),
        ({"kind": "google"}, "unheard-of", None, 32_000),
        ({"kind": "embedded"}, "whatever", "0", 7_500),
    ],
)
def test_prices_and_windows(provider: dict[str, str], model: str, price: str | None, window: int) -> None:
    use = ModelUse(ModelProvider(**provider), model)
    assert price_of(use, 1000, 100, 500) == (None if price is None else Decimal(price))
    assert window_of(use) >= window if window > 100_000 else window_of(use) == window


def test_what_its_owner_says_of_a_window_counts() -> None:
    for url in ("http://localhost:11434/v1", "https://api.openai.com/v1"):
        provider = ModelProvider(kind="openai", base_url=url, context_tokens=48_000)
        assert window_of(ModelUse(provider, "gpt-5-mini")) == 48_000


@pytest.mark.parametrize("how", ["chosen", "by default", "by name"])
def test_keys_stay_in_the_database_unless_they_are_wanted(user: User, agent: Agent, add: AddProvider, how: str) -> None:
    provider = add(models_known=["model-x"])
    add("Shared", owner=None)
    if how == "chosen":
        choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, "")])
    agent.model = "model-x" if how == "by name" else ""
    with CaptureQueriesContext(connection) as asked:
        uses = models_for(agent)
    assert [query["sql"] for query in asked if "api_key" in query["sql"]] == []
    assert uses[0].provider.get_deferred_fields() == {"api_key"}
    with CaptureQueriesContext(connection) as asked:
        assert models_for(agent, with_keys=True)[0].provider.api_key == KEY
    assert any('"api_key"' in query["sql"] for query in asked)
