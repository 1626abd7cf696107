"""The pages of toolboxes in a real Chromium, on a phone and on a screen, light and dark: nothing overflows, nothing complains.

`SCREENSHOTS=folder` keeps a picture of each.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.async_api import Page, Request, async_playwright, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from accounts.models import User
from agentopia.asgi import application
from deploy.local.test import find_browser
from tests.e2e.browser import unexpected
from tests.toolboxes.pages.conftest import GB, Make, info, load
from toolboxes.models import Metric, Toolbox, ToolboxEvent
from toolboxes.services.events import record
from toolboxes.services.metrics import place
from toolboxes.status import State

pytestmark = pytest.mark.django_db(transaction=True)
VIEWS = ("", "servers/", "events/", "settings/", "removal/")
CHROMIUM = os.environ.get("CHROMIUM") or find_browser()
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDTHS = {"phone": 380, "screen": 1280}
Scheme = Literal["light", "dark"]
LOOKS = [("screen", "light"), ("phone", "dark")]
"""Both widths and both schemes are looked at, since what is laid out has nothing to do with its colours; pictures are made of all."""
each_look = pytest.mark.parametrize(
    ("width", "scheme"), [*LOOKS, ("screen", "dark"), ("phone", "light")] if os.environ.get("SCREENSHOTS") else LOOKS
)
_layers: list[dict[str, Any]] = []
ORPHAN = {
    "container": "a" * 64, "name": "agentopia-lost", "server": str(uuid4()), "server_name": "lost", "image": "agentopia/server:0123456789",
    "created_at": "2026-01-01T10:00:00Z", "running": True, "adoptable": True,
}  # fmt: skip


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The web tier on the tests' database; its address. Static files are served beside it: WhiteNoise closes them too late.

    It gets channel layers of its own: of one that served another test, whose event loop is over, a reader may still wait at Redis, and take
    what is meant for this one.
    """
    _layers.append(dict(channel_layers.backends))  # their connections are another loop's, and not to be taken apart here
    channel_layers.backends.clear()
    static = StaticFiles(directory=settings.STATIC_ROOT)
    site = Starlette(routes=[Mount("/static", static), Mount("/", application)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(site, lifespan="off", log_level="warning", ws="websockets-sansio", access_log=False)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def opened(url: str, user: User, width: str, scheme: Scheme) -> AsyncIterator[Page]:
    """A tab of the user's; what its scripts and its content security policy complain of fails the test."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        narrow = width == "phone"
        context = await browser.new_context(
            base_url=url, viewport={"width": WIDTHS[width], "height": 800}, color_scheme=scheme, is_mobile=narrow, has_touch=narrow
        )
        await context.add_cookies([{"name": "sessionid", "value": await sync_to_async(session_of)(user), "url": url}])
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        yield page
        await browser.close()
    assert unexpected(complaints) == []


async def visit(page: Page, path: str) -> None:
    """Open a page; again if that was interrupted because some network of this machine came or went, as those of containers do."""
    for _ in range(5):
        interrupted: list[str] = []

        def note(request: Request, interrupted: list[str] = interrupted) -> None:
            interrupted.append(request.url)

        page.on("requestfailed", note)
        await page.goto(path)
        await expect(page.locator("main")).to_be_visible()
        page.remove_listener("requestfailed", note)
        if not interrupted:
            return
    pytest.fail(f"{path} was interrupted again and again: {interrupted}")


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.fixture
def busy(make: Make) -> Toolbox:
    """One that reported for 50 minutes with a pause of five, and one in every state."""
    fields: dict[str, Any] = {
        "info": info(disk_free_bytes=9 * GB, dtma_version="0.0.1"),
        "load": load(cpu_percent=41.0, memory_used_bytes=7 * GB),
    }
    fields["orphans"] = [ORPHAN, ORPHAN | {"container": "b" * 64, "running": False, "adoptable": False, "reason": "Its volume is gone."}]
    toolbox = make("a-toolbox-with-a-rather-long-name.example.org", **fields)
    for state in State:
        make(f"is-{state}", state=state)
    now = timezone.now()
    moments = [now - timedelta(seconds=15 * n) for n in range(200) if not 60 <= n < 80]
    Metric.objects.bulk_create(
        Metric(
            toolbox=toolbox, resolution=15, slot=place(at, 15)[0], at=place(at, 15)[1], cpu_percent=40 + 30 * math.sin(n / 9),
            load=1 + math.sin(n / 9), memory_used_bytes=int((4 + math.sin(n / 30)) * GB), disk_used_bytes=91 * GB,
        )
        for n, at in enumerate(moments)
    )  # fmt: skip
    record(toolbox=toolbox, kind="odd", text="Its clock is 2 min ahead.", severity=ToolboxEvent.Severity.WARNING)
    record(toolbox=toolbox, kind="bad", text="Making it failed: " + "x" * 300, severity=ToolboxEvent.Severity.ERROR)
    return toolbox


@each_look
async def test_every_page(busy: Toolbox, user: User, width: str, scheme: Scheme) -> None:
    paths = {view.strip("/") or "overview": f"/toolboxes/{busy.pk}/{view}" for view in VIEWS}
    paths["orphan"] = f"/toolboxes/{busy.pk}/servers/remove/?key={ORPHAN['container']}"
    paths |= {"fleet": "/toolboxes/", "none": "/toolboxes/?search=nothing"}
    paths |= {name: f"/toolboxes/{name}/" for name in ("versions", "removed")}
    async with served() as url, opened(url, user, width, scheme) as page:
        for name, path in paths.items():
            await visit(page, path)
            if name == "overview":
                await expect(page.locator(".chart canvas")).to_have_count(4)
                await expect(page.locator("#capacity")).to_contain_text("Memory promised")
            wider = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert (path, wider) == (path, 0)
            await keep(page, f"toolboxes-{name}-{width}-{scheme}")


async def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def test_charts(busy: Toolbox, user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, f"/toolboxes/{busy.pk}/")
        cpu = page.locator("[data-chart=cpu_percent]")
        await expect(cpu.locator("figcaption")).to_contain_text(" %")
        await expect(page.locator("[data-chart=disk_used_bytes] figcaption")).to_have_text("Disk91.0 GB of 100.0 GB")

        await page.get_by_text("The figures as a table").click()
        await expect(page.locator("#chart-figures tbody tr")).to_have_count(60)
        assert await page.locator("#chart-figures tbody tr", has_text="—").count() > 0, "a gap is told as one"

        await cpu.locator(".u-over").hover()
        await expect(cpu.locator(".chart-at")).to_contain_text(":")
        await expect(page.locator("[data-chart=load] .chart-at")).to_contain_text(":")

        picture = await cpu.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
        await page.evaluate("document.documentElement.dataset.theme = 'dark'")
        changed = "(before) => document.querySelector('[data-chart=cpu_percent] canvas').toDataURL() !== before"
        await page.wait_for_function(changed, arg=picture)

        await page.get_by_text("Week", exact=True).click()
        await expect(page.get_by_text("Nothing was reported in this time.")).to_be_visible()
        await page.set_viewport_size({"width": 800, "height": 800})
        await page.wait_for_function(
            "() => { const f = document.querySelector('[data-chart=cpu_percent]');"
            " return Math.abs(f.clientWidth - f.querySelector('.uplot').clientWidth) <= 1; }"
        )


async def test_the_list_is_searched_as_one_types_and_stays_live(busy: Toolbox, user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, "/toolboxes/")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")
        await page.get_by_role("searchbox").press_sequentially("is-on")
        await expect(page.locator(".fleet tbody tr")).to_have_count(1)
        await expect(page).to_have_url(f"{url}/toolboxes/?search=is-on&state=&sort=name")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")

        def rename() -> None:
            toolbox = Toolbox.objects.get(name="is-online")
            Toolbox.objects.filter(pk=toolbox.pk).update(load=load(cpu_percent=99.0))
            record(toolbox=toolbox, kind="odd", text="Busy.")

        await sync_to_async(rename)()
        await expect(page.locator(".fleet tbody tr")).to_contain_text("99 %")
        await expect(page.locator(".fleet tbody tr")).to_have_count(1)
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.get_by_label("Which toolboxes").select_option("revoked")
        await expect(page.get_by_role("heading", name="No toolbox is like that")).to_be_visible()


async def test_removal_wants_the_name(busy: Toolbox, user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, f"/toolboxes/{busy.pk}/settings/")
        await page.get_by_role("link", name="Remove…").click()
        await page.get_by_label("Type the toolbox's name").fill(busy.name)
        await page.get_by_role("button", name="Remove the toolbox").click()
        await page.wait_for_url("**/setup/")
        await expect(page.locator("#toasts")).to_contain_text("is being removed")
