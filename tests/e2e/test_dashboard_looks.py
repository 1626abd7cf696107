"""Every page on a phone, in light and in dark: nothing overflows, nothing complains. `SCREENSHOTS=1` renews those of the README."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.e2e.browser import chromium, signed_in, watch
from tests.e2e.conftest import Rest
from tests.stack import Stack

__all__ = ["chromium", "signed_in"]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def servers(rest: Rest) -> Iterator[dict[str, str]]:
    """Addresses of a server that runs and of one that failed."""
    running = rest.deploy("everything")
    failed = rest.deploy("time", name="a-time-server-with-a-rather-long-name", config={"local-timezone": "Nowhere/" + "Land" * 20})
    assert rest.until_settled(running)["status"] == "running"
    assert rest.until_settled(failed)["status"] == "failed"
    yield {"running": f"/servers/{running}/", "failed": f"/servers/{failed}/"}
    for server_id in (running, failed):
        rest.ask("DELETE", f"servers/{server_id}/")
        rest.until_gone(server_id)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_overflows_on_a_phone(
    chromium: Browser, signed_in: StorageState, stack: Stack, servers: dict[str, str], rest: Rest, scheme: Scheme
) -> None:
    context = chromium.new_context(
        base_url=stack.url,
        storage_state=signed_in,
        viewport={"width": 380, "height": 780},
        is_mobile=True,
        has_touch=True,
        color_scheme=scheme,
    )
    page = context.new_page()
    complaints = watch(page)
    entry = rest.get("catalog/?search=time")["results"][0]["id"]
    toolbox = rest.get("toolboxes/")["results"][0]["id"]
    views = [servers[state] + view for state in ("running", "failed") for view in ("", "log/", "history/")]
    for path in (
        "/",
        "/toolboxes/",
        "/toolboxes/versions/",
        "/toolboxes/add/",
        "/toolboxes/add/own_server/",
        "/toolboxes/accounts/",
        "/toolboxes/accounts/add/digital_ocean/",
        *(f"/toolboxes/{toolbox}/{view}" for view in ("", "servers/", "events/", "settings/", "removal/", "setup/")),
        "/catalog/",
        f"/catalog/{entry}/",
        "/servers/",
        *views,
        servers["running"] + "tools/echo/",
        "/styleguide/",
    ):
        page.goto(path)
        expect(page.locator("main")).to_be_visible()
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert (path, wider) == (path, 0)
    assert complaints == []
    context.close()


def test_the_failed_server_says_why_and_what_to_do(
    chromium: Browser, signed_in: StorageState, stack: Stack, servers: dict[str, str]
) -> None:
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in)
    page = context.new_page()
    page.goto(servers["failed"])
    expect(page.locator("#header .reason")).not_to_be_empty()
    expect(page.locator("#deployment")).to_contain_text("exit code 1")
    expect(page.locator("#last-lines")).to_contain_text("Nowhere/")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_follow_the_colour_scheme(
    chromium: Browser, signed_in: StorageState, stack: Stack, servers: dict[str, str], scheme: Scheme
) -> None:
    context = chromium.new_context(
        base_url=stack.url, storage_state=signed_in, viewport={"width": 1280, "height": 800}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto("/catalog/")
    lightness = page.evaluate("parseFloat(getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/)[0])")
    assert lightness > 0.9 if scheme == "light" else lightness < 0.3
    keep(page, f"catalogue-{scheme}")
    page.goto(servers["running"])
    page.locator("#tools").get_by_role("link", name="Echo Tool", exact=True).click()
    page.get_by_label("message").fill("Hello from the dashboard")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("Echo: Hello from the dashboard")
    keep(page, f"server-{scheme}")
    context.close()


def keep(page: Page, name: str) -> None:
    """Renew a screenshot of the README, where that is asked for."""
    if os.environ.get("SCREENSHOTS"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png")
