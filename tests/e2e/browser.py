"""A real Chromium, signed in to the shared stack. A page that complains on its console fails the test that opened it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Request, StorageState, expect, sync_playwright

from deploy.local.test import find_browser
from tests.stack import Stack

ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
"""A network of containers came or went."""
TRIES = 5
READY_MS = 150_000  # the first deployment may have to build its image
EXPECTED = (
    "the server responded with a status of 422",  # how Chromium remarks on a form that was sent back
    *(
        "htmx:afterRequest",
        "htmx:sendError",
    ),  # and htmx on a page that is left while a fragment is on its way; what fails is a responseError
    "htmx:sendAbort",  # a search that the next letter overtook
    NETWORK_CHANGED,
)


@pytest.fixture(scope="module")
def chromium(image: str) -> Iterator[Browser]:
    """One for a module: Playwright keeps the thread's event loop to itself for as long as it runs.

    So the image for servers, which is built with a loop, must be there before.
    """
    path = os.environ.get("CHROMIUM") or find_browser()
    if path is None:
        pytest.fail("These tests drive a real Chromium, and there is none on the PATH. Install the package chromium.", pytrace=False)
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def sign_in(chromium: Browser, stack: Stack) -> StorageState:
    """The cookies of the demo user, got through the sign-in page."""
    context = chromium.new_context(base_url=stack.url)
    page = steady(context.new_page())
    page.goto("/servers/")
    page.get_by_label("E-mail address").fill(stack.demo_email)
    page.get_by_label("Password").fill(stack.demo_password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{stack.url}/servers/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, stack: Stack) -> StorageState:
    """The demo user of the shared stack."""
    return sign_in(chromium, stack)


@pytest.fixture
def page(chromium: Browser, signed_in: StorageState, stack: Stack) -> Iterator[Page]:
    """A tab of the demo user's, 1280 × 800."""
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in, viewport={"width": 1280, "height": 800})
    page = steady(context.new_page())
    complaints = watch(page)
    yield page
    context.close()
    assert unexpected(complaints) == []


def steady(page: Page) -> Page:
    """Opens an address again where networks of containers came or went meanwhile: Chromium gives up what it is loading then, styles and
    scripts too.
    """
    for name in ("goto", "reload"):
        setattr(page, name, partial(_opened, page, getattr(page, name)))
    return page


def _opened(page: Page, open_it: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    for left in reversed(range(TRIES)):
        broken: list[str] = []

        def note(request: Request, broken: list[str] = broken) -> None:
            broken.append(request.failure or "")

        page.on("requestfailed", note)
        try:
            answer = open_it(*arguments, **options)
        except Error as error:
            if NETWORK_CHANGED not in str(error) or not left:
                raise
            continue
        finally:
            page.remove_listener("requestfailed", note)
        if not any(NETWORK_CHANGED in failure for failure in broken):
            return answer
    return answer


def watch(page: Page) -> list[str]:
    """Collects what the page's scripts and its content security policy complain of."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    return complaints


def unexpected(complaints: list[str]) -> list[str]:
    """Those that tell of a fault."""
    return [text for text in complaints if not any(part in text for part in EXPECTED)]


def deploy(page: Page, title: str) -> str:
    """Deploy an entry with one click and wait until it is ready; returns the server's id, its page open."""
    page.goto(f"/catalog/?search={title}")
    page.get_by_role("button", name=f"Deploy {title}", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    expect_status(page, "running")
    return page.url.rstrip("/").rsplit("/", 1)[1]


def expect_status(page: Page, state: str) -> None:
    """Wait until the heading says so."""
    expect(page.locator("#header .status")).to_have_attribute("data-state", state, timeout=READY_MS)


def open_tool(page: Page, title: str) -> None:
    """Choose a tool in the list; its form is there afterwards."""
    page.locator("#tools").get_by_role("link", name=title, exact=True).click()
    expect(page.locator("#tool-panel").get_by_role("heading", name=title)).to_be_focused()
