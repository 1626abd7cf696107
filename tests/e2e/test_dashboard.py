"""The main job, in a browser: deploy with one click, watch it become ready, call a tool, watch its log, delete it."""

from __future__ import annotations

from datetime import datetime

from docker import DockerClient
from playwright.sync_api import Page, expect

from tests.e2e.browser import (
    READY_MS,
    chromium,
    deploy,
    expect_status,
    open_tool,
    page,
    signed_in,
    steady,
)
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

GREETING = "Starting default (STDIO) server..."

# Notes the states of each step as they come and go, on a page that is never loaded again.
WATCH_STEPS = """() => {
  window.neverReloaded = true;
  window.seen = [];
  const look = () => {
    for (const step of document.querySelectorAll("#deployment .step")) {
      const said = `${step.querySelector(".step-name").textContent}: ${step.dataset.state}`;
      if (!window.seen.includes(said)) window.seen.push(said);
    }
  };
  look();
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""

# Notes when a line was first in the page, by the browser's clock (ms), and what the toolbox had stamped it with.
WATCH_LOG = """() => {
  window.neverReloaded = true;
  window.arrived = [];
  const known = new Set(document.querySelectorAll(".log-line"));
  new MutationObserver(() => {
    for (const line of document.querySelectorAll(".log-line")) {
      if (known.has(line)) continue;
      known.add(line);
      window.arrived.push({text: line.querySelector(".log-text").textContent, at: Date.now()});
    }
  }).observe(document.querySelector("#log-lines"), {childList: true});
}"""


def test_deploy_with_one_click_call_a_tool_and_watch_the_log(page: Page, rest: Rest, engine: DockerClient) -> None:
    page.goto("/catalog/?search=everything")
    page.get_by_role("button", name="Deploy Everything", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    page.evaluate(WATCH_STEPS)
    expect_status(page, "running")
    expect(page.locator("#tools .row").first).to_be_visible()
    server_id = page.url.rstrip("/").rsplit("/", 1)[1]

    assert page.evaluate("window.neverReloaded")
    seen = page.evaluate("window.seen")
    assert {"MCP handshake: waiting", "Tools: waiting", "Ready: waiting"} <= set(seen)
    assert {f"{step}: done" for step in ("Queued", "Image", "Container", "MCP handshake", "Tools", "Ready")} <= set(seen)
    assert page.locator("#tools .row").count() == len(rest.get(f"servers/{server_id}/tools/?limit=100")["results"])

    open_tool(page, "Echo Tool")
    page.get_by_label("message").fill("It is <b>me</b>")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("Echo: It is <b>me</b>")
    expect(page.get_by_role("heading", name="Result")).to_be_focused()
    assert page.evaluate("window.neverReloaded")

    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator(".log-line", has_text=GREETING)).to_have_count(1)
    page.evaluate(WATCH_LOG)
    page.get_by_role("button", name="Restart").click()
    expect(page.locator(".log-line", has_text=GREETING)).to_have_count(2, timeout=60_000)
    assert page.evaluate("window.neverReloaded")
    arrived = next(line["at"] for line in page.evaluate("window.arrived") if line["text"] == GREETING) / 1000
    assert 0 <= arrived - printed_at(engine, server_id) < 1


def printed_at(engine: DockerClient, server_id: str) -> float:
    """When the engine read the greeting of the server's present container, in seconds since the epoch."""
    lines: bytes = engine.containers.get(f"agentopia-{server_id}").logs(timestamps=True, stdout=False)
    stamp = next(line.split(" ", 1)[0] for line in lines.decode().splitlines() if GREETING in line)
    return datetime.fromisoformat(stamp[:26] + "+00:00").timestamp()  # Python knows microseconds, the engine nanoseconds


def test_what_was_typed_survives_a_change_of_the_server(page: Page, rest: Rest) -> None:
    server_id = deploy(page, "Everything")
    open_tool(page, "Echo Tool")
    page.get_by_label("message").fill("half a sentence")
    rest.ask("POST", f"servers/{server_id}/stop/")
    expect_status(page, "stopped")
    expect(page.get_by_label("message")).to_have_value("half a sentence")
    expect(page.get_by_label("message")).to_be_focused()

    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result")).to_contain_text("is stopped, so its tools cannot be called now")
    page.get_by_role("button", name="Start", exact=True).click()
    expect_status(page, "running")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("Echo: half a sentence")


def test_a_second_tab_shows_the_same(page: Page, rest: Rest) -> None:
    server_id = deploy(page, "Everything")
    other = steady(page.context.new_page())
    other.goto("/servers/")
    row = other.locator(".row", has=other.locator(f"#server-{server_id}"))
    expect(row.locator(".status")).to_have_text("Running")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(row.locator(".status")).to_have_text("Stopped")
    expect_status(page, "stopped")


def test_delete_asks_first_and_says_what_is_lost(page: Page, rest: Rest) -> None:
    server_id = deploy(page, "Memory")
    dialog = page.get_by_role("alertdialog")

    page.get_by_role("button", name="Delete the server…").click()
    expect(dialog).to_contain_text("all data that it has stored")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert rest.get(f"servers/{server_id}/")["status"] == "running"

    page.get_by_role("button", name="Delete the server…").click()
    dialog.get_by_label("Delete its data").first.check()
    dialog.get_by_label("Type “").fill(rest.get(f"servers/{server_id}/")["name"])
    dialog.get_by_role("button", name="Delete the server").click()
    expect(page.locator("#toasts")).to_contain_text("is being deleted")
    expect(page.locator(f"#server-{server_id}")).to_have_count(0, timeout=READY_MS)
    rest.until_gone(server_id)


def test_the_log_keeps_the_last_lines_of_a_chatty_server(page: Page, rest: Rest, image: str) -> None:
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    rest.until_settled(server_id)
    page.goto(f"/servers/{server_id}/log/")
    expect(page.locator("html")).to_have_attribute("data-live", "open")
    assert rest.call(server_id, "shout", text="marked", count=12_000)
    expect(page.locator(".log-line").last).to_contain_text("marked 11999", timeout=60_000)
    assert page.locator(".log-line").count() <= 5000


def test_search_as_one_types(page: Page) -> None:
    page.goto("/catalog/")
    page.get_by_role("searchbox").press_sequentially("knowledge gr")
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".tile")).to_contain_text("Memory")
    expect(page).to_have_url("/catalog/?search=knowledge%20gr")
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing is called that")).to_be_visible()
