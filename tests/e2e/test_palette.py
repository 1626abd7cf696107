"""The command palette in a real Chromium: without a mouse, on a screen and on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from asgiref.sync import sync_to_async
from playwright.async_api import Page, expect

from accounts.models import User
from mcp_registry.models import McpServer
from tests.toolboxes.pages.test_looks import each_look, keep, opened, served, visit
from toolboxes.models import Toolbox

pytestmark = pytest.mark.django_db(transaction=True)
OPTIONS = "#palette-results [role=option]"


@pytest.fixture
def servers(user: User, make_server: Callable[..., McpServer]) -> list[McpServer]:
    return [make_server(name=name) for name in ("alpha", "alphabet", "beta")]


async def chosen(page: Page) -> str:
    """The title of what Enter would open, which is what a screen reader is told of."""
    active = await page.locator("#palette-input").get_attribute("aria-activedescendant")
    option = page.locator(f"#{active}")
    await expect(option).to_have_attribute("aria-selected", "true")
    await expect(page.locator(f"{OPTIONS}[aria-selected=true]")).to_have_count(1)
    return (await option.locator(".palette-title").inner_text()).strip()


async def type_and_find(page: Page, text: str, first: str) -> None:
    await page.keyboard.type(text)
    await expect(page.locator(OPTIONS).first).to_contain_text(first)


async def test_by_keyboard_alone(servers: list[McpServer], user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, "/toolboxes/")
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox", name="Go to a server")).to_be_focused()
        await expect(page.locator(OPTIONS).first).to_contain_text("beta")  # what was touched last

        await page.keyboard.type("alph")
        await expect(page.locator(OPTIONS)).to_have_count(2)
        assert (await chosen(page)).startswith("alpha")
        await page.keyboard.press("ArrowDown")
        assert (await chosen(page)).startswith("alphabet")
        await page.keyboard.press("ArrowDown")
        assert not (await chosen(page)).startswith("alphabet"), "after the last comes the first"
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/servers/{servers[1].pk}/")
        await page.wait_for_load_state("networkidle")  # what the page fetches for itself would be interrupted below

        await page.keyboard.press("Control+k")
        await page.keyboard.press("Escape")
        await expect(page.locator("#palette")).not_to_be_visible()
        await page.keyboard.press("Control+k")
        await type_and_find(page, "audit", "Audit")
        await page.keyboard.press("Control+k")
        await expect(page.locator("#palette")).not_to_be_visible()
        await page.keyboard.press("Control+k")
        await expect(page.locator(OPTIONS).first).to_contain_text("Audit")  # what was typed is there still, to be typed over
        await type_and_find(page, "echo", "echo")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/tools/echo/")
        await page.wait_for_load_state("networkidle")


async def test_an_action_of_the_page(user: User, toolbox: Toolbox) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, "/")
        await page.keyboard.press("Control+k")
        await type_and_find(page, "dark", "Dark theme")
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(page.locator("#palette")).not_to_be_visible()


async def test_nothing_is_found_and_nothing_moves(servers: list[McpServer], user: User) -> None:
    async with served() as url, opened(url, user, "screen", "dark") as page:
        await visit(page, "/")
        await page.keyboard.press("Control+k")
        box = await page.locator("#palette").bounding_box()
        await page.keyboard.type("zzzz<b>")
        await expect(page.locator(".palette-none")).to_contain_text("Nothing is called “zzzz<b>”")
        await expect(page.locator("#palette-said")).to_have_text("Nothing found")
        await page.keyboard.press("Enter")
        await page.keyboard.press("ArrowDown")
        assert await page.locator("#palette").bounding_box() == box


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_by_its_button(servers: list[McpServer], user: User, scheme: Literal["light", "dark"]) -> None:
    async with served() as url, opened(url, user, "phone", scheme) as page:
        await visit(page, "/")
        await page.get_by_role("button", name="Search everything").tap()
        await expect(page.locator("#palette-input")).to_be_focused()
        await page.keyboard.type("alp")
        await expect(page.locator(OPTIONS).first).to_contain_text("alpha")
        box = await page.locator("#palette").bounding_box()
        assert box is not None
        assert (box["x"] >= 0, box["x"] + box["width"] <= 380) == (True, True)
        await keep(page, f"palette-phone-{scheme}")
        await page.locator(OPTIONS).first.tap()
        await page.wait_for_url("**/servers/*/")
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


@each_look
async def test_the_pages_of_audit_and_account(servers: list[McpServer], user: User, width: str, scheme: Literal["light", "dark"]) -> None:
    await sync_to_async(User.objects.filter(pk=user.pk).update)(is_staff=True)
    async with served() as url, opened(url, user, width, scheme) as page:
        for path in ("/audit/", "/audit/?search=nothing", "/account/tokens/", "/account/password/"):
            await visit(page, path)
            assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0, path
            await keep(page, f"{path.strip('/').replace('/', '-').replace('?', '-')}-{width}-{scheme}")
        if width == "screen":
            await visit(page, "/audit/")
            await page.get_by_role("searchbox", name="Search the audit").fill("alphabet")
            await expect(page.locator(".audit-row")).to_have_count(1)
            await expect(page.locator("#export")).to_have_attribute("href", "/audit/export/?search=alphabet")
            await page.keyboard.press("Control+k")
            await expect(page.locator(OPTIONS).first).to_be_visible()
            await keep(page, f"palette-screen-{scheme}")
