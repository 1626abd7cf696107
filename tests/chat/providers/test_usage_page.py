"""The page “Usage of models”, what REST says of it, and the ledger in Django admin."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from agents.models import Agent
from chat.model_pages import pages
from chat.models import ModelUsage
from chat.providers import usage
from chat.providers.months import Month
from tests.chat.providers.conftest import AddProvider, used

pytestmark = pytest.mark.django_db
PAGE = "/account/models/usage/"
REST = "/api/v1/models/usage/"
ADMIN = "/admin/chat/modelusage/"
NOW = Month.now()


def shown(browser: Client, path: str = PAGE) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return " ".join(html.unescape(answer.content.decode()).split())


def test_without_any_it_says_so(browser: Client, agent: Agent) -> None:
    page = shown(browser)
    assert "Nothing was used in this month" in page
    assert "month=" not in page  # there is none to go to
    assert f'href="{PAGE}"' in shown(browser, "/account/models/")
    assert "It has asked no model this month" in shown(browser, f"/agents/{agent.pk}/model/")


def test_what_agents_and_models_cost(browser: Client, user: User, agent: Agent, add: AddProvider) -> None:
    mine, shared = add("My account"), add("Everybody's", owner=None)
    used(user, mine, "1.5", agent, requests=1200, input_tokens=1_234_567)
    used(user, shared, "0.0034", agent, model="shared-model")
    used(user, None, None, model="old-model", provider_name="Former", agent_name="Former agent")
    page = shown(browser)
    assert "<dt>Cost</dt><dd>≥ $1.50</dd>" in page
    assert "<dt>Requests</dt><dd>1,202</dd>" in page
    assert "No price is known for 1 of these 1,202 requests: sums leave them out" in page
    assert f'<a href="/agents/{agent.pk}/">Helper</a>' in page
    assert f'<a href="/account/models/{mine.pk}/">My account</a>' in page
    for text in ("1,234,667", "Everybody's (shared)", "Former (deleted)", "Former agent<", "no price known", "$0.0034"):
        assert text in page
    assert f"/account/models/{shared.pk}/" not in page
    told = shown(browser, f"/agents/{agent.pk}/model/")
    assert "This month: 1,201 requests, 1,234,667 tokens in, 20 out, $1.50." in told


def test_where_no_price_is_known_nothing_is_made_up(browser: Client, user: User, add: AddProvider) -> None:
    used(user, add())
    page = shown(browser)
    assert "<dt>Cost</dt><dd>no price known</dd>" in page
    assert "No price is known for any of these requests" in page
    ModelUsage.objects.update(cost_usd=0)
    assert "<dt>Cost</dt><dd>$0.00</dd>" in shown(browser)
    ModelUsage.objects.update(cost_usd=Decimal("0.00002"))
    assert "under $0.0001" in shown(browser)


def test_from_month_to_month(browser: Client, user: User, add: AddProvider) -> None:
    provider = add()
    used(user, provider, "1", created_at=NOW.previous.begin, model="last-month")
    used(user, provider, "2", model="this-month")
    page = shown(browser)
    assert "this-month" in page
    assert "last-month" not in page
    assert f'href="{PAGE}?month={NOW.previous}" rel="prev"' in page
    assert 'rel="next"' not in page
    before = shown(browser, f"{PAGE}?month={NOW.previous}")
    assert "last-month" in before
    assert f'href="{PAGE}?month={NOW}" rel="next"' in before
    assert 'rel="prev"' not in before
    for month in (NOW.next, "2999-12", "nonsense", "2026-13", ""):
        assert "this-month" in shown(browser, f"{PAGE}?month={month}")


def test_the_longest_list_is_cut_and_says_so(browser: Client, user: User, add: AddProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_LINES", 2)
    monkeypatch.setattr(usage.lines, "__defaults__", (2,))
    provider = add()
    for number in range(3):
        used(user, provider, "1", model=f"model-{number}")
    assert "The 2 that cost most are shown." in shown(browser)


def test_many_take_as_many_queries_as_one(
    browser: Client, user: User, agent: Agent, add: AddProvider, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        used(user, add(f"Provider {number}"), "1", agent, model=f"model-{number}")
    with django_assert_max_num_queries(7) as asked:
        browser.get(PAGE)
    assert not any("api_key" in query["sql"] for query in asked)


def test_another_sees_nothing_of_it(user: User, stranger: User, agent: Agent, add: AddProvider) -> None:
    used(user, add("Very private"), "4711", agent, model="private-model")
    other = Client()
    other.force_login(stranger)
    page = shown(other)
    assert "Nothing was used" in page
    assert other.get(f"{PAGE}?month={NOW.previous}").status_code == 200
    assert "4711" not in page
    assert Client().get(PAGE).status_code == 302


def test_the_palette_finds_it(browser: Client) -> None:
    assert PAGE in browser.get("/search/?q=usage").content.decode()


def test_rest(api: APIClient, user: User, stranger: User, agent: Agent, add: AddProvider) -> None:
    provider = add("Mine")
    used(user, provider, "0.5", agent)
    used(user, provider, None, agent, model="local", requests=3)
    used(stranger, add("Shared", owner=None), "9")
    body = api.get(REST).json()
    assert body == {
        "month": str(NOW), "by": "agent", "requests": 4, "input_tokens": 200, "output_tokens": 20, "cost_usd": "0.500000",
        "unpriced_requests": 3,
        "results": [{
            "id": str(agent.pk), "name": "Helper", "model": "", "shared": False, "requests": 4, "input_tokens": 200, "output_tokens": 20,
            "cost_usd": "0.500000", "unpriced_requests": 3,
        }],
    }  # fmt: skip
    by_model = api.get(f"{REST}?by=model&month={NOW}").json()
    assert [(row["id"], row["model"], row["cost_usd"], row["unpriced_requests"]) for row in by_model["results"]] == [
        (str(provider.pk), "model-small", "0.500000", 0), (str(provider.pk), "local", None, 3),
    ]  # fmt: skip
    before = api.get(f"{REST}?month={NOW.previous}").json()
    assert (before["month"], before["requests"], before["cost_usd"], before["results"]) == (str(NOW.previous), 0, None, [])


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("month=2026-13", "month", "Write a month as in 2026-11"),
        ("month=", "month", "Write a month as in 2026-11"),
        (f"month={quote('٢٠٢٦-١١')}", "month", "Write a month as in 2026-11"),
        ("by=tool", "by", "It is one of agent, model."),
    ],
)
def test_what_rest_does_not_understand(api: APIClient, query: str, field: str, sentence: str) -> None:
    answer = api.get(f"{REST}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["fields"][field].startswith(sentence)
    assert sentence in answer.json()["detail"]


def test_the_schema_knows_it(api: APIClient) -> None:
    schema = api.get("/api/schema/", headers={"Accept": "application/json"}).json()
    asked = schema["paths"][REST]["get"]
    assert {each["name"] for each in asked["parameters"]} == {"month", "by"}
    assert schema["components"]["schemas"]["UsageLine"]["properties"]["cost_usd"]["nullable"] is True


def test_nobody_asks_rest(db: None) -> None:
    assert APIClient().get(REST).status_code in (401, 403)


def test_the_administration_reads_the_ledger(admin_client: Client, user: User, add: AddProvider) -> None:
    mine, shared = add("Mine"), add("Shared", owner=None)
    used(user, mine, "1", model="of-mine")
    used(user, shared, "2", model="of-shared")
    used(user, None, model="of-nobody")
    expected = {
        "": {"of-mine", "of-shared", "of-nobody"},
        "whose=shared": {"of-shared"},
        "whose=own": {"of-mine"},
        "whose=gone": {"of-nobody"},
        f"whose={shared.pk}": {"of-shared"},
        f"whose={mine.pk}": set(),
        "whose=nonsense": set(),
        "cost_usd__isempty=1": {"of-nobody"},
        "q=of-mine": {"of-mine"},
        f"created_at__year={NOW.year}&created_at__month={NOW.month}": {"of-mine", "of-shared", "of-nobody"},
    }
    for query, models in expected.items():
        answer = admin_client.get(f"{ADMIN}?{query}")
        assert {row.model for row in answer.context["cl"].result_list} == models, query
    row = ModelUsage.objects.earliest("pk")
    assert [admin_client.get(f"{ADMIN}{path}").status_code for path in ("add/", f"{row.pk}/delete/")] == [403, 403]
