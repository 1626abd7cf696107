"""The pages of models in a real Chromium, on a phone and on a screen, light and dark: nothing overflows or complains, axe finds nothing.

`SCREENSHOTS=folder` keeps a picture of each.
"""

from __future__ import annotations

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone
from playwright.async_api import expect

from accounts.models import User
from agents.models import Agent
from chat.models import ModelProvider
from chat.providers.choices import choose_models
from chat.providers.months import Month
from tests.agents.pages.test_looks import looked_at
from tests.chat.providers.conftest import AddProvider, used
from tests.chat.providers.double import KEY, ProviderDouble
from tests.toolboxes.pages.test_looks import Scheme, each_look, keep, opened, served, visit

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "a-model-with-a-rather-long-name-that-nobody-would-want-to-read-on-a-phone-of-380-pixels"


@pytest.fixture
def busy(user: User, agent: Agent, add: AddProvider) -> ModelProvider:
    """Providers in every state; an agent that chose three models."""
    now = timezone.now()
    full = add(
        "A provider with a rather long name, which goes on and on",
        models_known=[LONG, "b"],
        default_model=LONG,
        key_set_at=now,
        tested_at=now,
    )
    failed = add("Failed", base_url=f"http://{'x' * 60}.example.org/v1", test_error="Nobody listens there. Is it running?", tested_at=now)
    add("Off", enabled=False)
    add("Fresh", default_model="", tested_at=now)
    shared = add("Shared", owner=None, budget_usd="5")
    choose_models(owner=user, agent_id=agent.pk, chosen=[(full.pk, ""), (failed.pk, "other"), (full.pk, "b")])
    used(user, full, "12.5", agent, model=LONG, requests=1234, input_tokens=12_345_678, output_tokens=234_567)
    used(user, shared, "0.0034", agent, requests=3)
    used(user, failed, None, agent, model="local")
    used(user, None, "0.1", created_at=Month.now().previous.begin, agent_name="An agent with a rather long name, which goes on and on")
    used(user, None, None, agent_name="An agent with a rather long name, which goes on and on", provider_name="Former")
    return full


@each_look
async def test_every_page(busy: ModelProvider, user: User, agent: Agent, width: str, scheme: Scheme) -> None:
    failed, fresh = [await database_sync_to_async(ModelProvider.objects.get)(name=name) for name in ("Failed", "Fresh")]
    pages = {
        "list": "/account/models/",
        "add": "/account/models/add/ollama/",
        "full": f"/account/models/{busy.pk}/",
        "failed": f"/account/models/{failed.pk}/",
        "fresh": f"/account/models/{fresh.pk}/",
        "agent": f"/agents/{agent.pk}/model/",
        "usage": "/account/models/usage/",
        "usage-before": f"/account/models/usage/?month={Month.now().previous}",
        "usage-empty": "/account/models/usage/?month=2020-01",
    }
    found: list[str] = []
    async with served() as url, opened(url, user, width, scheme) as page:
        for name, path in pages.items():
            await visit(page, path)
            await expect(page.locator("html:not([data-live]), html[data-live=open]")).to_have_count(1)
            found += await looked_at(page, path)
            await keep(page, f"models-{name}-{width}-{scheme}")
    await database_sync_to_async(user.refresh_from_db)()  # gives back the connection of the thread that signed in
    assert found == []


async def test_one_is_added_by_hand(user: User, double: ProviderDouble) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, "/account/models/")
        await page.get_by_role("link", name="Another compatible one").click()
        await page.get_by_label("Name").fill("Local")
        await page.get_by_label("Address").fill(double.url)
        await page.get_by_label("API key", exact=False).first.fill(KEY)
        await page.get_by_role("button", name="Test and save").click()
        await expect(page.locator("#toasts")).to_contain_text("it lists 2 models")
        await page.get_by_label("Default model").fill("model-large")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#toasts")).to_contain_text("is saved")
        assert KEY not in await page.content()
        await page.get_by_role("button", name="Delete…").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Delete the provider").click()
        await expect(page.get_by_text("No model yet")).to_be_visible()
    await database_sync_to_async(user.refresh_from_db)()
