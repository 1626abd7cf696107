"""Providers are added, changed, tested and removed; a key goes in and never comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.models import AuditEvent, User
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput, NotFound
from agents.models import Agent
from chat.models import ModelProvider
from chat.providers import services, trying
from chat.providers.choices import choose_models
from chat.providers.services import add_provider, change_provider, remove_provider, retest_provider
from tests.chat.providers.conftest import AddProvider
from tests.chat.providers.double import KEY, MODELS, Answer, ProviderDouble

pytestmark = pytest.mark.django_db


def stored_key(provider: ModelProvider) -> str | None:
    """As it lies in the database."""
    with connection.cursor() as cursor:
        cursor.execute("select api_key from chat_modelprovider where id = %s", [provider.pk])
        row: tuple[str | None] | None = cursor.fetchone()
    assert row is not None
    return row[0]


def test_one_is_added(user: User, double: ProviderDouble) -> None:
    kept = add_provider(
        owner=user, kind="openai", name=" Mine ", base_url=f"{double.url}/", api_key=f"{KEY}\n", default_model="model-small"
    )
    provider = ModelProvider.objects.get()
    assert (provider.name, provider.base_url, provider.models_known, provider.test_error) == ("Mine", double.url, MODELS, "")
    assert provider.key_set_at is not None
    assert provider.tested_at is not None
    assert provider.api_key == KEY
    assert KEY not in (stored_key(provider) or "")
    assert kept.outcome is not None
    event = AuditEvent.objects.get(action="model_provider.added")
    assert (event.owner_id, event.target_name) == (user.pk, "Mine")
    assert KEY not in json.dumps(list(AuditEvent.objects.values()), default=str)


def test_what_fails_its_test_is_not_kept_unless_that_is_wanted(user: User, double: ProviderDouble) -> None:
    given: dict[str, Any] = {"owner": user, "kind": "openai", "name": "Mine", "base_url": double.url, "api_key": "sk-wrong"}
    with pytest.raises(InvalidInput, match="does not take this key"):
        add_provider(**given)
    assert not ModelProvider.objects.exists()
    kept = add_provider(**given, untested=True)
    assert "does not take this key" in kept.provider.test_error
    assert kept.outcome is not None
    assert kept.outcome.error is not None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "nonsense"}, "kind"),
        ({"kind": "embedded"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": "line\nbreak: x"}, "api_key"),
        ({"api_key": "k" * 4001}, "api_key"),
        ({"api_key": "schlüssel"}, "api_key"),
        ({"base_url": "javascript:alert(1)"}, "base_url"),
        ({"base_url": "http://127.0.0.1/" + "x" * 600}, "base_url"),
        ({"default_model": "x" * 201}, "default_model"),
        ({"budget_usd": 5}, "budget_usd"),
    ],
)
def test_what_cannot_be(user: User, double: ProviderDouble, fields: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"kind": "openai", "name": "Mine", "base_url": double.url, "api_key": KEY, **fields}
    with pytest.raises(InvalidInput) as caught:
        add_provider(owner=user, **given)
    assert field in caught.value.fields
    assert "line\nbreak" not in caught.value.message
    assert not ModelProvider.objects.exists()


def test_names_are_told_apart(user: User, stranger: User, add: AddProvider, double: ProviderDouble) -> None:
    add("Mine")
    add("Mine", owner=stranger)
    with pytest.raises(Conflict, match="Another provider has this name"):
        add_provider(owner=user, kind="openai", name="Mine", base_url=double.url, api_key=KEY)


def test_there_are_only_so_many(user: User, add: AddProvider, double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_PROVIDERS", 1)
    add("Mine")
    with pytest.raises(Conflict, match="You have 1 providers"):
        add_provider(owner=user, kind="openai", name="Another", base_url=double.url, api_key=KEY)


def test_a_change_that_needs_no_test_asks_nobody(user: User, add: AddProvider, double: ProviderDouble) -> None:
    provider = add()
    kept = change_provider(owner=user, provider_id=provider.pk, name="Renamed", enabled=False)
    assert (kept.provider.name, kept.provider.enabled, kept.outcome) == ("Renamed", False, None)
    assert double.asked == []
    assert AuditEvent.objects.get(action="model_provider.changed").changes == {"name": ["Mine", "Renamed"], "enabled": [True, False]}


def test_another_key_is_tested_and_only_that_it_changed_is_told(user: User, add: AddProvider, double: ProviderDouble) -> None:
    provider = add(api_key="sk-old")
    with pytest.raises(InvalidInput):
        change_provider(owner=user, provider_id=provider.pk, api_key="sk-wrong")
    assert ModelProvider.objects.get().api_key == "sk-old"
    change_provider(owner=user, provider_id=provider.pk, api_key=KEY)
    assert ModelProvider.objects.get().api_key == KEY
    assert AuditEvent.objects.get(action="model_provider.changed").changes == {"api_key": ["set", "changed"]}
    change_provider(owner=user, provider_id=provider.pk, api_key=KEY)  # the same once more
    assert AuditEvent.objects.filter(action="model_provider.changed").count() == 1


def test_a_key_can_be_taken_away(user: User, add: AddProvider, double: ProviderDouble) -> None:
    double.key = ""
    change_provider(owner=user, provider_id=add().pk, api_key="")
    provider = ModelProvider.objects.get()
    assert (provider.api_key, provider.key_set_at, stored_key(provider)) == (None, None, None)


def test_a_key_does_not_follow_to_another_address(user: User, double: ProviderDouble) -> None:
    add_provider(owner=user, kind="openai", name="Mine", base_url=double.url, api_key=KEY)
    provider = ModelProvider.objects.get()
    other = ProviderDouble().start()
    try:
        with pytest.raises(InvalidInput, match="Enter the key again") as caught:
            change_provider(owner=user, provider_id=provider.pk, base_url=other.url, untested=True)
        assert "api_key" in caught.value.fields
        assert other.asked == []
        change_provider(owner=user, provider_id=provider.pk, base_url=other.url, api_key=KEY)
        assert other.asked != []
        change_provider(owner=user, provider_id=provider.pk, base_url=f"{other.root}/v1/", default_model="model-large")
    finally:
        other.stop()


def test_a_key_does_not_follow_by_way_of_no_key(user: User, double: ProviderDouble) -> None:
    """The key that is entered counts, also where it is the one that is kept."""
    add_provider(owner=user, kind="openai", name="Mine", base_url=double.url, api_key=KEY)
    provider = ModelProvider.objects.get()
    with pytest.raises(AgentopiaError):
        change_provider(owner=user, provider_id=provider.pk, base_url="http://127.0.0.1:1/v1", api_key="")
    kept = change_provider(owner=user, provider_id=provider.pk, base_url="http://127.0.0.1:1/v1", api_key="", untested=True)
    assert ModelProvider.objects.get().api_key is None
    assert kept.provider.key_set_at is None


def test_a_test_is_kept_and_models_of_before_stay(user: User, add: AddProvider, double: ProviderDouble) -> None:
    provider = add()
    assert retest_provider(owner=user, provider_id=provider.pk).provider.models_known == MODELS
    double.instead = lambda asked: Answer(500)
    kept = retest_provider(owner=user, provider_id=provider.pk)
    assert (kept.provider.models_known, "HTTP 500" in kept.provider.test_error) == (MODELS, True)


def test_tests_are_counted(user: User, add: AddProvider, double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "MOST_PER_MINUTE", 2)
    provider = add()
    for _ in range(2):
        retest_provider(owner=user, provider_id=provider.pk)
    with pytest.raises(trying.TooManyTests) as caught:
        retest_provider(owner=user, provider_id=provider.pk)
    assert (caught.value.http_status, caught.value.retryable) == (429, True)


def test_one_is_removed_from_agents_too(user: User, agent: Agent, add: AddProvider) -> None:
    provider = add()
    choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, "")])
    remove_provider(owner=user, provider_id=provider.pk)
    assert not agent.model_choices.exists()
    assert AuditEvent.objects.filter(action="model_provider.removed").count() == 1


@pytest.mark.parametrize("owner", ["other", "nobody"])
def test_of_others_nothing_is_touched(user: User, stranger: User, add: AddProvider, owner: str) -> None:
    provider = add(owner=stranger if owner == "other" else None)
    attempts: list[Callable[[], object]] = [
        lambda: change_provider(owner=user, provider_id=provider.pk, name="Mine now"),
        lambda: retest_provider(owner=user, provider_id=provider.pk),
        lambda: remove_provider(owner=user, provider_id=provider.pk),
        lambda: remove_provider(owner=user, provider_id="nonsense"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert ModelProvider.objects.get().name == "Mine"
