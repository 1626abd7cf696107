"""Shared providers in Django admin, and the one that the environment names."""

from __future__ import annotations

import html
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEvent, User
from chat.models import ModelProvider
from chat.providers.shared import NAME
from tests.chat.providers.conftest import AddProvider, used
from tests.chat.providers.double import KEY, MODELS, ProviderDouble

pytestmark = pytest.mark.django_db
ADMIN = "/admin/chat/modelprovider/"


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "a very long password"))
    return client


def given(double: ProviderDouble, **fields: Any) -> dict[str, Any]:
    usual = {"kind": "openai", "name": "Shared", "base_url": double.url, "api_key": KEY, "default_model": "model-small"}
    return {**usual, "enabled": "on", "budget_usd": "5", **fields}


def test_one_is_shared_and_changed(staff: Client, double: ProviderDouble) -> None:
    assert staff.get(f"{ADMIN}add/").status_code == 200
    assert staff.post(f"{ADMIN}add/", given(double)).status_code == 302
    provider = ModelProvider.objects.get()
    assert (provider.owner, provider.models_known, provider.budget_usd, provider.api_key) == (None, MODELS, Decimal(5), KEY)
    page = staff.get(f"{ADMIN}{provider.pk}/change/").content.decode()
    assert KEY not in page
    assert "set on" in page
    answer = staff.post(f"{ADMIN}{provider.pk}/change/", given(double, api_key="", name="Renamed", budget_usd=""))
    assert answer.status_code == 302
    provider.refresh_from_db()
    assert (provider.name, provider.budget_usd, provider.api_key) == ("Renamed", None, KEY)
    assert {"model_provider.added", "model_provider.changed"} <= set(AuditEvent.objects.values_list("action", flat=True))
    assert staff.post(f"{ADMIN}{provider.pk}/delete/", {"post": "yes"}).status_code == 302
    assert AuditEvent.objects.filter(action="model_provider.removed").count() == 1


def test_what_fails_its_test_is_told(staff: Client, double: ProviderDouble) -> None:
    answer = staff.post(f"{ADMIN}add/", given(double, api_key="sk-wrong-4711"))
    assert answer.status_code == 200
    page = html.unescape(answer.content.decode())
    assert "does not take this key" in page
    assert "sk-wrong-4711" not in page
    assert not ModelProvider.objects.exists()
    answer = staff.post(f"{ADMIN}add/", given(double, api_key="sk-wrong-4711", untested="on"), follow=True)
    assert "kept, though its test failed" in answer.content.decode()


def test_users_own_are_not_shown(staff: Client, add: AddProvider) -> None:
    mine = add("Very private")
    assert "Very private" not in staff.get(ADMIN).content.decode()
    assert staff.get(f"{ADMIN}{mine.pk}/change/").status_code == 302


def test_what_is_spent_is_shown(staff: Client, user: User, add: AddProvider, double: ProviderDouble) -> None:
    shared = add("Shared", owner=None)
    used(user, shared, "1.25")
    assert "$1.25" in staff.get(ADMIN).content.decode()
    assert "$1.25 ada@example.org" in staff.get(f"{ADMIN}{shared.pk}/change/").content.decode()
    answer = staff.post(ADMIN, {"action": "test_now", "_selected_action": [str(shared.pk)]}, follow=True)
    assert "“Shared” works." in html.unescape(answer.content.decode())


@pytest.fixture
def named(settings: Any, double: ProviderDouble) -> Callable[..., ModelProvider]:
    """Prepares the database with these settings."""

    def prepare(model: str = "compatible:model-small", key: str = KEY, url: str = "") -> ModelProvider:
        settings.AGENTOPIA_MODEL, settings.AGENTOPIA_MODEL_KEY, settings.AGENTOPIA_MODEL_URL = model, key, url or double.url
        settings.PRIVATE_MODEL_HOSTS = []
        call_command("share_model")
        return ModelProvider.objects.get(name=NAME)

    return prepare


def test_the_environment_names_one(named: Callable[..., ModelProvider], double: ProviderDouble) -> None:
    provider = named()
    assert (provider.owner, provider.kind, provider.default_model, provider.models_known) == (None, "openai", "model-small", MODELS)
    assert named().pk == provider.pk  # another start changes nothing
    assert AuditEvent.objects.filter(action__startswith="model_provider").count() == 1
    double.key = "sk-new"
    renewed = named("compatible:model-large", key="sk-new")
    assert (renewed.pk, renewed.default_model, renewed.api_key, renewed.test_error) == (provider.pk, "model-large", "sk-new", "")
    changes = AuditEvent.objects.get(action="model_provider.changed").changes
    assert changes == {"api_key": ["set", "changed"], "default_model": ["model-small", "model-large"]}


def test_another_kind_is_another_provider(named: Callable[..., ModelProvider], double: ProviderDouble) -> None:
    before = named()
    after = named("anthropic:model-small", url=double.root)
    assert (after.kind, after.test_error) == ("anthropic", "")
    before.refresh_from_db()
    assert before.enabled is False
    named("compatible:model-small")


def test_without_it_the_former_one_is_switched_off(named: Callable[..., ModelProvider], settings: Any) -> None:
    named()
    settings.AGENTOPIA_MODEL = ""
    call_command("share_model")
    assert ModelProvider.objects.get().enabled is False
    assert named().enabled is True


def test_one_that_does_not_answer_is_no_reason_not_to_start(
    named: Callable[..., ModelProvider], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Nobody listens" in named(url="http://127.0.0.1:1/v1").test_error
    assert "does not answer yet" in capsys.readouterr().out


def test_what_is_no_provider_is(named: Callable[..., ModelProvider]) -> None:
    with pytest.raises(CommandError, match="AGENTOPIA_MODEL is 'nonsense:x', which cannot be used: There is no provider"):
        named("nonsense:x")
