"""The pages of models, and an agent's section “Model”."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from agents.models import Agent
from chat.models import Conversation, ModelProvider
from chat.providers import trying
from chat.providers.choices import choose_models
from tests.chat.conftest import run_in
from tests.chat.providers.conftest import AddProvider, used
from tests.chat.providers.double import KEY, Answer, ProviderDouble

pytestmark = pytest.mark.django_db
PAGE = "/account/models/"


def shown(browser: Client, path: str = PAGE) -> str:
    return " ".join(html.unescape(browser.get(path).content.decode()).split())


def test_without_any_it_says_what_to_do(browser: Client) -> None:
    page = shown(browser)
    assert "No model yet" in page
    for preset in ("openai", "openrouter", "ollama", "vllm", "llamacpp", "compatible", "anthropic", "google"):
        assert f'href="/account/models/add/{preset}/"' in page
        assert browser.get(f"/account/models/add/{preset}/").status_code == 200
    assert browser.get("/account/models/add/nonsense/").status_code == 404


def test_one_is_added_and_its_default_model_chosen(browser: Client, double: ProviderDouble) -> None:
    given = {"name": "Local", "base_url": double.url, "api_key": KEY, "default_model": ""}
    answer = browser.post("/account/models/add/compatible/", given, follow=True)
    page = html.unescape(answer.content.decode())
    provider = ModelProvider.objects.get()
    assert answer.redirect_chain[-1][0] == f"{PAGE}{provider.pk}/"
    assert "“Local” is added: it lists 2 models." in page
    assert "No default model" in page
    assert '<option value="model-large"></option>' in page
    assert KEY not in page
    change = {"name": "Local", "base_url": double.url, "api_key": "", "default_model": "model-large", "enabled": "on"}
    assert browser.post(f"{PAGE}{provider.pk}/", change).status_code == 302
    provider.refresh_from_db()
    assert (provider.default_model, provider.api_key) == ("model-large", KEY)
    assert "set on" in shown(browser, f"{PAGE}{provider.pk}/")


def test_what_is_wrong_stands_at_its_field_and_the_key_is_not_sent_back(browser: Client, double: ProviderDouble) -> None:
    given = {"name": "Local", "base_url": double.url, "api_key": "sk-wrong-4711"}
    answer = browser.post("/account/models/add/compatible/", given)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert "does not take this key" in page
    assert "sk-wrong-4711" not in page
    assert "Keep it all the same" in page
    assert "no-store" in answer["Cache-Control"]
    assert browser.post("/account/models/add/compatible/", {**given, "untested": "on"}).status_code == 302
    assert "test failed" in shown(browser)


def test_a_key_that_is_needed_is_asked_for(browser: Client) -> None:
    answer = browser.post("/account/models/add/anthropic/", {"name": "Anthropic"})
    assert answer.status_code == 422
    assert "This field is required" in answer.content.decode()


def test_it_is_tested_again(browser: Client, add: AddProvider, double: ProviderDouble) -> None:
    provider = add()
    assert "“Mine” works: it lists 2 models." in html.unescape(browser.post(f"{PAGE}{provider.pk}/test/", follow=True).content.decode())
    double.instead = lambda asked: Answer(500)
    assert "HTTP 500" in browser.post(f"{PAGE}{provider.pk}/test/", follow=True).content.decode()
    assert "Its last test failed" in shown(browser, f"{PAGE}{provider.pk}/")


def test_deleting_says_who_uses_it(browser: Client, user: User, agent: Agent, add: AddProvider) -> None:
    provider = add()
    choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, "")])
    assert "<strong>Helper</strong>" in shown(browser, f"{PAGE}{provider.pk}/")
    assert "chosen for 1 agent" in shown(browser)
    assert browser.post(f"{PAGE}{provider.pk}/delete/").status_code == 302
    assert not ModelProvider.objects.exists()


def test_shared_ones_show_what_is_spent_and_not_where_they_are(browser: Client, add: AddProvider) -> None:
    provider = add("Shared", owner=None, budget_usd="5", base_url="http://secret-host/v1")
    page = shown(browser)
    assert "$0.00 of $5.00 spent this month" in page
    assert "secret-host" not in page
    assert browser.get(f"{PAGE}{provider.pk}/").status_code == 404


def test_an_agents_models_are_chosen(browser: Client, agent: Agent, add: AddProvider) -> None:
    page = f"/agents/{agent.pk}/model/"
    assert "add a provider of models" in shown(browser, page)
    mine, other = add("Mine"), add("Other", default_model="")
    assert "As configured for all" in shown(browser, page)
    given = {
        "provider_0": str(other.pk),
        "model_0": "big",
        "provider_1": "",
        "model_1": "ignored",
        "provider_2": str(mine.pk),
        "model_2": "",
    }
    assert browser.post(page, given).status_code == 302
    assert [str(choice) for choice in agent.model_choices.all()] == ["Other: big", "Mine: model-small"]
    told = shown(browser, page)
    assert "<strong>big</strong> of Other" in told
    assert "Third" in told
    assert "Fourth" not in told
    refused = browser.post(page, {"provider_0": str(other.pk), "model_0": ""})
    assert refused.status_code == 422
    assert "has no default model" in html.unescape(refused.content.decode())
    assert f'href="{page}"' in shown(browser, f"/agents/{agent.pk}/")
    assert browser.post(page, {}).status_code == 302
    assert not agent.model_choices.exists()


def test_many_take_as_many_queries_as_one(browser: Client, add: AddProvider, django_assert_max_num_queries: object) -> None:
    for number in range(20):
        add(f"Provider {number}")
        add(f"Shared {number}", owner=None)
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        browser.get(PAGE)


def test_the_embedded_model_is_listed_while_it_answers(browser: Client, agent: Agent, double: ProviderDouble, settings: Any) -> None:
    double.key = ""
    assert "Embedded model" not in shown(browser)
    settings.EMBEDDED_MODEL_URL = double.url
    assert "a small, slow model on this machine" in shown(browser)
    assert "<strong>model-large</strong> of Embedded model (shared)" in shown(browser, f"/agents/{agent.pk}/model/")
    double.stop()
    cache.clear()
    assert "Embedded model" not in shown(browser)


def test_what_was_spent_is_told(browser: Client, user: User, add: AddProvider) -> None:
    used(user, add(), "0.42")
    assert "$0.42 spent this month" in shown(browser)


def test_too_many_tests_are_refused_at_the_form(browser: Client, double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "MOST_PER_MINUTE", 0)
    answer = browser.post("/account/models/add/compatible/", {"name": "Local", "base_url": double.url, "api_key": KEY})
    assert answer.status_code == 422
    assert "Wait a minute" in answer.content.decode()
    assert double.asked == []


def test_a_context_window_is_said_where_nobody_else_says_it(browser: Client, add: AddProvider, double: ProviderDouble) -> None:
    assert 'name="context_tokens"' in shown(browser, "/account/models/add/ollama/")
    for preset in ("openai", "anthropic", "google"):
        assert 'name="context_tokens"' not in shown(browser, f"/account/models/add/{preset}/")
    given = {"name": "Local", "base_url": double.url, "api_key": KEY, "context_tokens": "48000"}
    assert browser.post("/account/models/add/compatible/", given).status_code == 302
    provider = ModelProvider.objects.get()
    page = f"{PAGE}{provider.pk}/"
    assert provider.context_tokens == 48_000
    assert "48,000 tokens" in shown(browser, page)
    asked = len(double.asked)
    change = {"name": "Local", "base_url": double.url, "enabled": "on", "context_tokens": ""}
    refused = browser.post(page, {**change, "context_tokens": "1999"})
    assert refused.status_code == 422
    assert '<details class="more" id="more" open>' in refused.content.decode()
    assert browser.post(page, change).status_code == 302
    provider.refresh_from_db()
    assert provider.context_tokens is None
    assert len(double.asked) == asked  # nothing that a test could find out
    other = add("Other", kind="anthropic")
    assert 'name="context_tokens"' not in shown(browser, f"{PAGE}{other.pk}/")


def test_pages_and_rest_leave_keys_in_the_database(
    browser: Client, user: User, agent: Agent, conversation: Conversation, add: AddProvider
) -> None:
    provider = add()
    add("Shared", owner=None)
    choose_models(owner=user, agent_id=agent.pk, chosen=[(provider.pk, "")])
    run_in(conversation, provider=provider, model="model-small")
    for path in (
        *(PAGE, f"{PAGE}{provider.pk}/", f"{PAGE}usage/", f"/agents/{agent.pk}/model/", f"/chat/{conversation.pk}/"),
        *("/api/v1/model-providers/", f"/api/v1/agents/{agent.pk}/models/", f"/api/v1/conversations/{conversation.pk}/messages/"),
    ):
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(path).status_code == 200, path
        assert [query["sql"] for query in asked if "api_key" in query["sql"]] == [], path
