"""Adding a toolbox in a real browser, by keyboard: the command, its steps as they happen, and taking it back."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.dtma.conftest import engine, image
from tests.e2e.browser import chromium, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "engine", "image", "page", "signed_in"]


def test_an_own_server_is_added_followed_and_taken_back(page: Page, rest: Rest) -> None:
    page.goto("/toolboxes/add/")
    page.get_by_role("link", name="Your own server").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name").fill("-")
    page.keyboard.press("Enter")
    expect(page.locator(".field-error")).to_contain_text("begin and end with a letter or digit")
    page.get_by_label("Name").fill("Attic")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Attic")).to_be_visible()
    command = page.locator("#install-command")
    expect(command).to_have_text(re.compile(r"^curl -fsSL http\S+/install/\S+ \| sudo sh -s -- --ca-fingerprint sha256:\S+$"))
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"expires in 59 min \d\d s"))
    expect(page.locator("#steps")).to_contain_text("Run the install command on the server")  # the worker's word, over the WebSocket
    shown = command.inner_text()
    page.reload()
    expect(command).to_have_text(shown)
    page.get_by_role("button", name="Make a new command").click()
    expect(command).not_to_have_text(shown)
    page.get_by_role("button", name="Cancel and remove").click()
    page.get_by_role("button", name="Remove the toolbox").click()
    expect(page.locator("#header .status")).to_have_text("It was removed")
    expect(page.locator("#command")).to_be_empty()
    assert "Attic" not in [toolbox["name"] for toolbox in rest.get("toolboxes/")["results"]]
