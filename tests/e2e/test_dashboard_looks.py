"""Every page on a screen and on a phone, in light and in dark. `SCREENSHOTS=1` renews the pictures of the README."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import APIRequestContext, Browser, Page, StorageState, expect

from bench.scripted.serving import serving
from tests.dtma.agent import until
from tests.e2e.browser import chromium, signed_in, steady, unexpected, watch
from tests.e2e.conftest import Rest
from tests.e2e.views import every_page
from tests.stack import Stack

__all__ = ["chromium", "signed_in"]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
Scheme = Literal["light", "dark"]
AXE = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
SHIFTED = """() => new Promise(resolve => {
  let sum = 0;
  const add = list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value; };
  new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
})"""
"""How far what is seen has moved so far without anybody's doing (the web's Cumulative Layout Shift)."""
MOST_SHIFTED = 0.02
TASK: dict[str, Any] = {
    "id": "calls",
    "prompt": "A call starts at 14:00 in Tokyo. When is that in Kolkata and in Nairobi? Note it in calls.md.",
    "gold_calls": [
        {
            "id": city,
            "step": 0,
            "server": "time",
            "tool": "convert_time",
            "args": {"source_timezone": "Asia/Tokyo", "time": "14:00", "target_timezone": zone},
        }
        for city, zone in (("kolkata", "Asia/Kolkata"), ("nairobi", "Africa/Nairobi"))
    ]
    + [
        {
            "id": "note",
            "step": 1,
            "server": "filesystem",
            "tool": "write_file",
            "args": {"path": "/data/calls.md", "content": "| Tokyo | Kolkata | Nairobi |\n|---|---|---|\n| 14:00 | 10:30 | 08:00 |\n"},
        }
    ],
    "answer": "| Tokyo | Kolkata | Nairobi |\n|---|---|---|\n| 14:00 | **10:30** | **08:00** |\n\nI noted it in `/data/calls.md`.",
}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class Shown:
    """What is looked at: a server that runs, one that failed, and what the addresses of all pages are made of."""

    running: str
    failed: str
    values: dict[str, Any]

    def pages(self, request: APIRequestContext) -> list[str]:
        """All pages, and those of the server that failed that are others than if it ran."""
        failed = [f"/servers/{self.failed}/{view}" for view in ("", "history/", "settings/")]
        return [*every_page(request, self.values | {"server_id": self.running}), *failed]


@pytest.fixture(scope="module")
def shown(rest: Rest) -> Iterator[Shown]:
    running = rest.deploy("everything")
    failed = rest.deploy("time", name="a-time-server-with-a-rather-long-name", config={"local-timezone": "Nowhere/" + "Land" * 20})
    assert rest.until_settled(running)["status"] == "running"
    assert rest.until_settled(failed)["status"] == "failed"
    values = {
        "entry_id": rest.get("catalog/?search=time")["results"][0]["id"],
        "toolbox_id": rest.get("toolboxes/")["results"][0]["id"],
        "name": "echo",
        "number": 1,
        "generation": 1,
        "key": "own_server",
        "preset": "openai",
    }
    yield Shown(running, failed, values)
    for server_id in (running, failed):
        rest.ask("DELETE", f"servers/{server_id}/")
        rest.until_gone(server_id)


@pytest.fixture(scope="module")
def conversation(rest: Rest) -> Iterator[str]:
    """One in which an agent has called tools of two servers."""
    servers = {name: rest.deploy(name, name=name) for name in ("time", "filesystem")}
    for server in servers.values():
        assert rest.until_settled(server)["status"] == "running"
    with serving([TASK]) as model:
        provider = rest.made("model-providers/", kind="openai", name="Scripted", base_url=model.url, api_key="k", default_model=model.model)
        agent = rest.made("agents/", name="Planner", tool_mode="all")["id"]
        for server in servers.values():
            rest.made(f"agents/{agent}/grants/", server=server, approval="never")
        rest.ask("PUT", f"agents/{agent}/models/", [{"provider": provider["id"], "model": model.model}])
        talk = rest.made("conversations/", agent=agent)["id"]
        run = rest.made(f"conversations/{talk}/messages/", text=TASK["prompt"])["id"]
        until(lambda: rest.get(f"runs/{run}/")["status"] == "succeeded", 60)
        yield talk
    rest.ask("DELETE", f"agents/{agent}/")
    rest.ask("DELETE", f"model-providers/{provider['id']}/")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (380, "dark")])
def test_every_page(chromium: Browser, signed_in: StorageState, stack: Stack, shown: Shown, width: int, scheme: Scheme) -> None:
    """Nothing overflows, nothing complains, and axe-core finds nothing that keeps anybody from using it (WCAG 2.1 AA)."""
    phone = {"is_mobile": True, "has_touch": True} if width < 720 else {}
    context = chromium.new_context(
        base_url=stack.url, storage_state=signed_in, viewport={"width": width, "height": 800}, color_scheme=scheme, **phone
    )
    page = steady(context.new_page())
    complaints = watch(page)
    pages = shown.pages(context.request)
    assert len(pages) > 30
    found = []
    for path in pages:
        page.goto(path)
        expect(page.locator("main")).to_be_visible()
        expect(page.locator("html:not([data-live]), html[data-live=open]")).to_have_count(1)  # the first fragments have come
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wider > 0:
            found.append(f"{path}: {wider} px too wide")
        if (shifted := page.evaluate(SHIFTED)) > MOST_SHIFTED:
            found.append(f"{path}: its layout shifts by {shifted:.3f}")
        violations = Axe().run(page, options=AXE).response["violations"]
        found += [f"{path}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in violations]
    assert found == []
    assert unexpected(complaints) == []
    context.close()


def test_the_failed_server_says_why_and_what_to_do(chromium: Browser, signed_in: StorageState, stack: Stack, shown: Shown) -> None:
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in)
    page = steady(context.new_page())
    page.goto(f"/servers/{shown.failed}/")
    expect(page.locator("#header .reason")).not_to_be_empty()
    expect(page.locator("#deployment")).to_contain_text("exit code 1")
    expect(page.locator("#last-lines")).to_contain_text("Nowhere/")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("phone", [False, True], ids=["screen", "phone"])
def test_the_main_pages_follow_the_colour_scheme(
    chromium: Browser, signed_in: StorageState, stack: Stack, rest: Rest, shown: Shown, conversation: str, scheme: Scheme, phone: bool
) -> None:
    size = {"width": 380, "height": 780} if phone else {"width": 1280, "height": 800}
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in, viewport=size, color_scheme=scheme)
    page = steady(context.new_page())
    kept = f"{'phone-' if phone else ''}{scheme}"

    page.goto("/catalog/")
    lightness = page.evaluate("parseFloat(getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/)[0])")
    assert lightness > 0.9 if scheme == "light" else lightness < 0.3
    keep(page, f"catalogue-{kept}")

    page.goto(f"/servers/{shown.running}/")
    page.locator("#tools").get_by_role("link", name="Echo Tool", exact=True).click()
    page.get_by_label("message").fill("Hello from the dashboard")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("Echo: Hello from the dashboard")
    keep(page, f"server-{kept}")

    page.goto(f"/servers/{shown.running}/log/")
    expect(page.locator(".log-line").first).to_be_visible()
    keep(page, f"log-{kept}")

    page.goto(f"/servers/{shown.running}/metrics/")
    for _ in range(5):
        assert rest.say(shown.running, "echo", message="again") == "Echo: again"
    expect(page.locator("[data-chart=cpu_percent] .chart-value")).to_contain_text("%")
    expect(page.locator("[data-chart=calls] .chart-value").first).not_to_have_text("0", timeout=30_000)
    keep(page, f"metrics-{kept}")

    page.goto(f"/chat/{conversation}/")
    expect(page.locator(".call[data-status=succeeded]")).to_have_count(3)
    if not phone:
        page.locator(".call summary").last.click()
        expect(page.locator(".call-body").last).to_contain_text("calls.md")
    keep(page, f"chat-{kept}")
    context.close()


def keep(page: Page, name: str) -> None:
    """Renew a picture of the README and the docs, where that is asked for."""
    if os.environ.get("SCREENSHOTS"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=IMAGES / f"{name}.png")
