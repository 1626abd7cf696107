"""REST: providers, and the models of an agent."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from agents.models import Agent
from chat.models import ModelProvider
from tests.chat.providers.conftest import AddProvider
from tests.chat.providers.double import KEY, MODELS, Answer, ProviderDouble

pytestmark = pytest.mark.django_db
LIST = "/api/v1/model-providers/"


def test_from_the_first_to_the_last(api: APIClient, double: ProviderDouble) -> None:
    given = {"kind": "openai", "name": "Mine", "base_url": double.url, "api_key": KEY}
    made = api.post(LIST, given, format="json")
    assert made.status_code == 201
    body: dict[str, Any] = made.json()
    assert (body["models_known"], body["shared"], body["default_model"]) == (MODELS, False, "")
    assert body["key_set_at"]
    one = f"{LIST}{body['id']}/"
    changed = api.patch(one, {"default_model": "model-large"}, format="json")
    assert (changed.status_code, changed.json()["default_model"]) == (200, "model-large")
    tested = api.post(f"{one}test/").json()
    assert (tested["error"], tested["note"], tested["provider"]["id"]) == (None, "", body["id"])
    listed = api.get(LIST)
    assert [each["name"] for each in listed.json()["results"]] == ["Mine"]
    for answer in (made, changed, listed, api.get(one)):
        assert KEY not in answer.content.decode()
    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == 404


@pytest.mark.parametrize(
    ("given", "status", "code", "field"),
    [
        ({"api_key": "sk-wrong"}, 400, "key_refused", "api_key"),
        ({"base_url": "http://127.0.0.1:1/v1"}, 503, "provider_unreachable", None),
        ({"default_model": "model-huge"}, 400, "no_such_model", "default_model"),
        ({"kind": "embedded"}, 400, "invalid", "kind"),
        ({"name": ""}, 400, "invalid", "name"),
        ({"api_key": ["a"]}, 400, "invalid", "api_key"),
    ],
)
def test_what_is_wrong_is_said(
    api: APIClient, double: ProviderDouble, given: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = api.post(LIST, {"kind": "openai", "name": "Mine", "base_url": double.url, "api_key": KEY, **given}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert field is None or field in answer.json()["fields"]
    assert KEY not in answer.content.decode()
    assert not ModelProvider.objects.exists()


def test_it_can_be_kept_untested(api: APIClient, double: ProviderDouble) -> None:
    given = {"kind": "anthropic", "name": "Mine", "base_url": double.root, "api_key": "sk-wrong", "untested": True}
    assert "does not take this key" in api.post(LIST, given, format="json").json()["test_error"]


def test_a_test_that_fails_is_an_answer(api: APIClient, add: AddProvider, double: ProviderDouble) -> None:
    double.instead = lambda asked: Answer(503)
    answer = api.post(f"{LIST}{add().pk}/test/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, "provider_refused")
    assert "HTTP 503" in answer.json()["provider"]["test_error"]


def test_shared_ones_are_listed_without_their_address_and_cannot_be_changed(api: APIClient, add: AddProvider) -> None:
    add("Mine")
    shared = add("Shared", owner=None, test_error="secret-host does not answer")
    add("Off", owner=None, enabled=False)
    body = api.get(LIST).json()["results"]
    assert [(each["name"], each["shared"], each["base_url"] == "") for each in body] == [("Mine", False, False), ("Shared", True, True)]
    assert "secret-host" not in str(body)
    one = f"{LIST}{shared.pk}/"
    assert api.get(one).status_code == 200
    assert [api.patch(one, {"name": "x"}, format="json").status_code, api.delete(one).status_code, api.post(f"{one}test/").status_code] == [
        404
    ] * 3


def test_the_models_of_an_agent(api: APIClient, user: User, agent: Agent, add: AddProvider) -> None:
    mine, shared = add("Mine"), add("Shared", owner=None, default_model="theirs")
    address = f"/api/v1/agents/{agent.pk}/models/"
    assert api.get(address).json() == []
    chosen = [{"provider": str(mine.pk), "model": "model-large"}, {"provider": str(shared.pk)}]
    answer = api.put(address, chosen, format="json")
    assert answer.status_code == 200
    assert answer.json() == api.get(address).json() == [chosen[0], {"provider": str(shared.pk), "model": "theirs"}]
    assert api.put(address, [chosen[0]] * 6, format="json").status_code == 400
    assert api.put(address, {"provider": "x"}, format="json").status_code == 400
    assert api.put(address, [{"provider": "6c4f3f1e-0000-4000-8000-000000000000"}], format="json").status_code == 404
    assert len(api.get(address).json()) == 2
    assert api.put(address, [], format="json").json() == []
    assert not agent.model_choices.exists()


def test_the_schema_knows_it_and_takes_no_key_for_an_answer(api: APIClient) -> None:
    schema = api.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert {"/api/v1/model-providers/", "/api/v1/agents/{agent_id}/models/"} <= schema["paths"].keys()
    shapes = schema["components"]["schemas"]
    assert "api_key" not in shapes["ModelProvider"]["properties"]
    assert "api_key" in shapes["NewProviderRequest"]["properties"]


def test_a_context_window(api: APIClient, add: AddProvider) -> None:
    one, other = f"{LIST}{add().pk}/", f"{LIST}{add('Other', kind='anthropic').pk}/"
    assert api.get(one).json()["context_tokens"] is None
    assert api.patch(one, {"context_tokens": 48_000}, format="json").json()["context_tokens"] == 48_000
    for wrong in (1_999, 2_000_001, -1, "much", 3.5):
        answer = api.patch(one, {"context_tokens": wrong}, format="json")
        assert (answer.status_code, answer.json()["fields"].keys()) == (400, {"context_tokens"})
    assert api.patch(one, {"context_tokens": None}, format="json").json()["context_tokens"] is None
    refused = api.patch(other, {"context_tokens": 48_000}, format="json")
    assert (refused.status_code, refused.json()["fields"].keys()) == (400, {"context_tokens"})
    assert api.patch(other, {"context_tokens": None}, format="json").status_code == 200
