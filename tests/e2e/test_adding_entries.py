"""Adding an entry in a browser, and deploying from it: a client's configuration is pasted, a package looked up by its name."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.browser import chromium, expect_status, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

CANARY = "canary-4711"
LOOKED_UP_MS = 90_000
"""A question to a package registry; the first one may have to wait for the base images."""
CONFIGURATION = """{
  // as a desktop client has it
  "mcpServers": {
    "clock": {"command": "uvx", "args": ["mcp-server-time", "--local-timezone", "Europe/Kyiv"], "env": {"CLOCK_TOKEN": "canary-4711"}},
    "mine": {"command": "node", "args": ["/home/me/server.js"]},
  },
}"""


def test_a_pasted_configuration_becomes_a_running_server(page: Page, rest: Rest) -> None:
    page.goto("/catalog/")
    page.get_by_role("link", name="Add an entry").click()
    page.get_by_role("link", name="Client configuration").click()
    page.get_by_label("Configuration", exact=True).fill(CONFIGURATION)
    page.get_by_role("button", name="Look it through").click()

    expect(page.get_by_role("heading", name="1 can be added")).to_be_visible(timeout=LOOKED_UP_MS)
    clock = page.locator("#review .row")
    expect(clock).to_contain_text("mcp-server-time 20")  # the version that the toolbox found
    expect(clock).to_contain_text("CLOCK_TOKEN (secret)")
    expect(clock.get_by_role("checkbox")).to_be_checked()
    expect(page.locator("#refused")).to_contain_text("It starts a program of your own machine (`node`)")
    assert CANARY not in page.content()

    page.get_by_role("button", name="Add what is ticked").click()
    page.wait_for_url(re.compile(r"/catalog/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("heading", name="clock", exact=True)).to_be_visible()
    page.get_by_label("Clock token").fill("a new one")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    expect_status(page, "running")
    server_id = page.url.rstrip("/").rsplit("/", 1)[1]
    assert "Europe/Kyiv" in rest.say(server_id, "get_current_time", timezone="Europe/Kyiv")
    assert rest.get(f"servers/{server_id}/")["secrets"] == ["CLOCK_TOKEN"]


def test_a_package_is_looked_up_and_the_form_works_on_a_phone_and_by_keyboard(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto("/catalog/add/")
    page.get_by_label("Name", exact=True).fill("@modelcontextprotocol/server-everything")
    page.keyboard.press("Enter")
    version = page.get_by_label("Version", exact=True)
    expect(version).to_have_value(re.compile(r"^\d+\.\d+\.\d+$"), timeout=LOOKED_UP_MS)
    expect(page.get_by_label("Description")).not_to_have_value("")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    page.get_by_role("button", name="More rows").click()
    expect(page.get_by_role("group", name="Variable 5")).to_be_visible()
    first = page.get_by_role("group", name="Variable 1")
    first.get_by_label("Name").fill("no good")
    title = page.get_by_label("Title")
    title.fill("Everything of mine")
    title.press("Enter")
    expect(first.locator(".field-error")).to_contain_text("Letters, digits and underscores")
    expect(title).to_have_value("Everything of mine")
    first.get_by_label("Name").fill("UNIT")
    title.press("Enter")
    page.wait_for_url(re.compile(r"/catalog/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("heading", name="Everything of mine", exact=True)).to_be_visible()

    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Version of the entry")).to_have_value(re.compile(r"-2$"))
    page.go_back()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("Servers that were deployed from it go on")
    dialog.get_by_role("button", name="Delete the entry").click()
    page.wait_for_url("**/catalog/")
    expect(page.get_by_text("was deleted")).to_be_visible()
