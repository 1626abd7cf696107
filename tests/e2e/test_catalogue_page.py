"""The catalogue in a browser: searched as one types, filtered with the keyboard, on a phone, and an entry's form that loses nothing."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Page, expect

from tests.e2e.browser import chromium, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

CANARY = "canary-0815"
SEARCH = "Search the catalogue"


def test_search_as_one_types_with_slips_and_the_address_follows(page: Page) -> None:
    page.goto("/catalog/")
    expect(page.get_by_role("heading", name="All entries")).to_be_visible()
    box = page.get_by_role("searchbox", name=SEARCH)
    box.press_sequentially("sqlite", delay=30)
    expect(page.locator(".tile").first).to_contain_text("SQLite")
    expect(page).to_have_url("/catalog/?search=sqlite")
    expect(box).to_be_focused()
    expect(page.locator("#found-count")).to_contain_text("for “sqlite”")
    box.fill("githb")
    expect(page.locator(".tile").first).to_contain_text("GitHub")
    expect(page.locator("#results")).to_contain_text("This is what comes near.")
    page.reload()
    expect(box).to_have_value("githb")
    expect(page.locator(".tile").first).to_contain_text("GitHub")


def test_filters_with_the_keyboard_keep_the_focus_and_the_place(page: Page) -> None:
    page.goto("/catalog/")
    box = page.get_by_label("Databases")
    before = box.bounding_box()
    box.focus()
    page.keyboard.press("Space")
    expect(page).to_have_url("/catalog/?category=databases")
    expect(page.locator("#results")).to_contain_text("Clear the filters")
    expect(box).to_be_focused()
    assert box.bounding_box() == before, "nothing moves"
    page.keyboard.press("Tab")
    expect(page.get_by_label("Developer")).to_be_focused()
    page.keyboard.press("Space")
    expect(page).to_have_url("/catalog/?category=databases&category=developer")
    counts = page.locator(".facet-count").all_inner_texts()
    page.reload()
    expect(box).to_be_checked()
    assert page.locator(".facet-count").all_inner_texts() == counts, "what was swapped in is what the whole page says"
    page.get_by_label("Sort by").select_option("name")
    expect(page).to_have_url("/catalog/?category=databases&category=developer&sort=name")
    page.get_by_role("link", name="Clear the filters").click()
    expect(page).to_have_url("/catalog/?sort=name")


def test_on_a_phone_the_filters_fold(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto("/catalog/?search=data")
    box = page.get_by_label("Verified")
    expect(box).to_be_hidden()
    page.get_by_text("Filters", exact=True).click()
    expect(box).to_be_visible()
    box.check()
    expect(page).to_have_url("/catalog/?search=data&trust=verified")
    expect(page.locator("#n-chosen")).to_have_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.goto("/catalog/?search=sqlite")
    page.get_by_role("link", name="SQLite", exact=True).click()
    expect(page.get_by_role("heading", name="What it may do")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_a_mistake_is_told_before_anything_is_sent(page: Page, rest: Rest) -> None:
    variables = [
        {"name": "API_KEY", "isRequired": True, "isSecret": True},
        {"name": "BASE_URL", "placeholder": "https://api.example.org"},
    ]
    package = {"registryType": "npm", "identifier": "example", "version": "1.0.0", "environmentVariables": variables}
    document = {"name": f"org.example/typed-{uuid4().hex[:8]}", "description": "For a test.", "version": "1.0.0", "packages": [package]}
    status, entry = rest.ask("POST", "catalog/", document)
    assert status == 201, entry
    page.goto(f"/catalog/{entry['id']}/")
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    key, address = page.get_by_label("API key"), page.get_by_label("Base URL")
    key.fill(CANARY)
    expect(key).to_have_attribute("type", "password")
    page.get_by_role("button", name="Show what is typed").first.click()
    expect(key).to_have_attribute("type", "text")
    page.get_by_text("More", exact=True).click()
    address.fill("api.example.org")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(address).to_be_focused()
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field", has=address).locator(".field-error")).to_have_text("Write the whole address, as in https://example.com.")
    expect(key).to_have_value(CANARY)
    assert posted == []
