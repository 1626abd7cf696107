"""Every bad input of the first days, walked in the browser: a state that is true, a sentence to act on, nothing that spins on, and it
works when tried again. (A required setting left out, and arguments against the schema: `test_dashboard_forms`.)
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.local.images import BASE
from tests.dtma.agent import until
from tests.dtma.own_engine import OwnEngine, own_engine_with
from tests.e2e.browser import READY_MS, chromium, deploy, expect_status, open_tool, page, sign_in, signed_in, steady
from tests.e2e.conftest import Rest
from tests.stack import Stack, start_stack, temporary_home

__all__ = ["chromium", "page", "signed_in"]

LATE = ("python", "/srv/late.py", "3")  # seconds in which to end something


def expect_nothing_spins(page: Page) -> None:
    expect(page.locator("#deployment .step[data-state=running]")).to_have_count(0)
    expect(page.locator("#header .spin")).to_have_count(0)


def expect_failed(page: Page, told: str) -> None:
    """It says why and what to do, on this page and after a reload."""
    expect_status(page, "failed")
    expect(page.locator("#header .reason")).to_contain_text(told)
    expect_nothing_spins(page)
    page.reload()
    expect(page.locator("#header .reason")).to_contain_text(told)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_name_that_is_taken(page: Page, rest: Rest) -> None:
    deploy(page, "Time")
    taken = page.locator("#header h1").inner_text()
    entry = rest.get("catalog/?search=time")["results"][0]["id"]
    page.goto(f"/catalog/{entry}/")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Name").fill(taken)
    page.get_by_role("button", name="Deploy", exact=True).click()
    field = page.locator(".field", has=page.get_by_label("Name"))
    expect(field.locator(".field-error")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value(taken)
    page.get_by_label("Name").fill(f"{taken}-other")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    expect_status(page, "running")


def test_an_entry_that_is_not_there(page: Page) -> None:
    answer = page.request.get(f"/catalog/{uuid.uuid4()}/")
    assert answer.status == 404
    assert "The catalogue has no entry" in answer.text()


@pytest.mark.parametrize(
    ("program", "told"), [("exits", "code 3"), ("silent", "initialize")], ids=["exits at once", "never answers initialize"]
)
def test_a_server_that_does_not_come_up(page: Page, rest: Rest, image: str, program: str, told: str) -> None:
    server_id = rest.deploy_image(image, "python", f"/srv/{program}.py")
    page.goto(f"/servers/{server_id}/")
    expect_failed(page, told)
    page.get_by_role("button", name="Try again").click()
    if program == "silent":  # it is waited for as long once more
        expect(page.locator("#deployment .step[data-state=running]").first).to_be_visible()
    else:
        until(lambda: len(rest.get(f"servers/{server_id}/deployments/")["results"]) == 2, 60)
        expect_failed(page, told)
        expect(page.locator("#last-lines")).to_contain_text("no DATABASE given, giving up")


def test_an_image_that_does_not_build(page: Page, rest: Rest) -> None:
    package = {"registryType": "pypi", "identifier": "mcp-server-time", "version": "0.0.0.2", "transport": {"type": "stdio"}}
    name = f"org.example/unbuildable-{uuid.uuid4().hex[:6]}"
    document = {"name": name, "description": "For a test.", "version": "1.0.0", "packages": [package]}
    _, entry = rest.ask("POST", "catalog/", document)
    page.goto(f"/catalog/{entry['id']}/")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    expect_failed(page, "mcp-server-time")


def test_garbage_on_stdout(page: Page, rest: Rest, image: str) -> None:
    server_id = rest.deploy_image(image, "python", "/srv/garbage.py")
    page.goto(f"/servers/{server_id}/")
    expect_status(page, "running")
    open_tool(page, "litter")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("clean")


@pytest.mark.parametrize("process", ["worker", "dtma"])
def test_killed_in_the_middle_of_a_deployment(page: Page, rest: Rest, stack: Stack, image: str, process: str) -> None:
    server_id = rest.deploy_image(image, *LATE)
    page.goto(f"/servers/{server_id}/")
    expect(page.locator("#deployment")).to_contain_text("MCP handshake")
    rest.until_step(server_id, "handshake")
    stack.kill(process)
    expect_status(page, "running")
    expect_nothing_spins(page)
    open_tool(page, "nothing")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("late, but here")


@pytest.fixture(scope="module")
def engine_of_its_own(image: str) -> Iterator[OwnEngine]:
    with own_engine_with(image, BASE) as own:
        yield own


@pytest.fixture(scope="module")
def other_stack(engine_of_its_own: OwnEngine) -> Iterator[Stack]:
    """An Agentopia on an engine that may be stopped, and that has no network to build an image of Redis in."""
    redis = os.environ["REDIS_URL"].rsplit("/", 1)[0] + "/9"
    with temporary_home() as home:
        running = start_stack(home, DOCKER_HOST=engine_of_its_own.url, REDIS_URL=redis)
        yield running
        running.stop()


def test_docker_stopped_in_the_middle(chromium: Browser, engine_of_its_own: OwnEngine, other_stack: Stack, image: str) -> None:
    rest = Rest(other_stack)
    context = chromium.new_context(base_url=other_stack.url, storage_state=sign_in(chromium, other_stack))
    page = steady(context.new_page())
    server_id = rest.deploy_image(image, *LATE)
    page.goto(f"/servers/{server_id}/")
    rest.until_step(server_id, "handshake")
    engine_of_its_own.stop()
    expect(page.locator("#header .reason")).to_contain_text("Docker engine", timeout=READY_MS)
    expect(page.locator("#header .status")).not_to_have_attribute("data-state", "running")
    engine_of_its_own.start()
    expect_status(page, "running")
    expect_nothing_spins(page)
    context.close()
