"""One server's whole life, by hand: found, deployed with a secret, watched, read, put under load, changed, upgraded in vain, deleted."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import READY_MS, chromium, expect_status, open_tool, page, signed_in
from tests.e2e.conftest import Rest
from tests.e2e.test_upgrades import SLOT, script

__all__ = ["chromium", "page", "signed_in"]

CANARY = "canary-1974"
CALLS = 12
pytestmark = pytest.mark.timeout(400)


def version_of(name: str, version: str, image: str, which: str) -> dict[str, object]:
    """A version of an entry; of the ``new`` one the trial succeeds, but it cannot read what the ``old`` one has stored."""
    settings = [
        {"name": "CITY", "description": "Where to look.", "isRequired": True},
        {"name": "API_KEY", "isRequired": True, "isSecret": True},
    ]
    package = {**script(image, "marked", which), "environmentVariables": settings}
    profile = {"volumes": [{"name": "data", "path": "/data"}], "category": "examples"}
    document = {"name": name, "description": "Walked through from end to end.", "version": version, "packages": [package]}
    return {**document, "_meta": {SLOT: {"agentopia": profile}}}


def test_from_the_catalogue_to_the_end(page: Page, rest: Rest, image: str) -> None:
    slug = f"walk-{uuid4().hex[:8]}"
    assert rest.ask("POST", "catalog/", version_of(f"org.example/{slug}", "1.0.0", image, "old"))[0] == 201

    # find
    page.goto("/catalog/")
    page.get_by_role("searchbox").first.fill(slug)
    tile = page.locator(".tile", has_text=slug)
    expect(tile).to_be_visible()
    tile.get_by_role("link", name="Set up").click()

    # deploy with a secret
    page.get_by_label("City").fill("Oslo")
    page.get_by_label("API key", exact=True).fill(CANARY)
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    address = page.url

    # watch
    page.evaluate("window.neverReloaded = true")
    expect_status(page, "running")
    expect(page.locator("#tools").get_by_role("link", name="which")).to_be_visible()
    assert page.evaluate("window.neverReloaded")

    # read its log
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator(".log-line", has_text="serving as the old one")).to_be_visible()

    # see metrics move under load
    page.get_by_role("link", name="Metrics", exact=True).click()
    calls = page.locator("[data-chart=calls] .chart-value").first
    expect(page.locator("[data-chart=cpu_percent] .chart-value")).to_contain_text("%")
    server_id = address.rstrip("/").rsplit("/", 1)[1]
    for _ in range(CALLS):
        assert rest.say(server_id, "which") == "old"
    expect(calls).to_have_text(re.compile(r"^[1-9]\d*$"), timeout=30_000)

    # change a setting
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("City").fill("Bergen")
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator("#draft")).to_contain_text("Its container is replaced")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(address)
    expect(page.locator("#facts")).to_contain_text("Bergen")
    expect_status(page, "running")

    # upgrade with a bad version, which goes back by itself
    assert rest.ask("POST", "catalog/", version_of(f"org.example/{slug}", "2.0.0", image, "new"))[0] == 201
    page.reload()
    page.get_by_role("link", name="See what would change").click()
    page.get_by_role("button", name="Upgrade").click()
    page.wait_for_url(address)
    card = page.locator("#upgrade")
    expect(card.get_by_role("heading", name="2.0.0 did not become ready: it went back to 1.0.0")).to_be_visible(timeout=READY_MS)
    expect_status(page, "running")
    open_tool(page, "which")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("old")

    # nothing of the secret was ever shown
    for view in ("", "log/", "metrics/", "settings/", "history/", "versions/"):
        page.goto(address + view)
        assert CANARY not in page.content()
    page.goto("/audit/")
    expect(page.locator("#content")).to_contain_text(slug)
    assert CANARY not in page.content()

    # delete
    page.goto(address)
    page.get_by_role("button", name="Delete the server…").click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_label("Delete its data", exact=False).first.check()
    dialog.get_by_label(f"Type “{slug}”").fill(slug)
    dialog.get_by_role("button", name="Delete the server").click()
    page.wait_for_url("**/servers/")
    rest.until_gone(server_id)
    expect(page.locator(f"#server-{server_id}")).to_have_count(0)
