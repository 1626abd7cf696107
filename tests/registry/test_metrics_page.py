"""The page of a server's metrics: in a real Chromium, on a phone and on a screen, light and dark; and its WebSocket."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone
from playwright.async_api import expect

from accounts.models import User
from agents.models import ToolCall
from dtma_wire import Phase
from mcp_registry.models import McpServer
from mcp_registry.services.metrics import note_restarts, store_usage
from mcp_registry.services.observation import observe
from tests.conftest import heartbeat_of, state_of
from tests.registry.test_live import opened as opened_socket
from tests.registry.test_metrics import usage
from tests.toolboxes.pages.test_looks import Scheme, each_look, keep, opened, served, visit

pytestmark = pytest.mark.django_db(transaction=True)
MIN = timedelta(minutes=1)
MB = 2**20


@pytest.fixture
def busy(make_server: Callable[..., McpServer]) -> McpServer:
    """One that ran for 50 minutes with a pause of five, was killed once and restarted, and whose tools were called."""
    server = make_server()
    now = timezone.now()
    for number in range(50):
        if 20 <= number < 25:
            continue
        told = usage(
            server,
            cpu_percent=40 + 30 * math.sin(number / 5),
            memory_bytes=int((200 + 80 * math.sin(number / 9)) * MB),
            received_bytes=int(60_000 * (2 + math.sin(number))),
            out_of_memory_kills=int(number == 10),
        )
        heartbeat = heartbeat_of().model_copy(update={"usage": (told,), "usage_first": 1})
        store_usage(told=[(server.toolbox_id, now - number * MIN, heartbeat)])
    note_restarts(toolbox_id=server.toolbox_id, server_id=server.pk, at=now - 10 * MIN, restarts=1)
    for status, count in (("succeeded", 40), ("tool_error", 3), ("failed", 2)):
        call(server, *(10.0 * n for n in range(1, count + 1)), status=status)
    ToolCall.objects.update(created_at=now - 3 * MIN)
    return server


def call(server: McpServer, *durations: float, status: str = "succeeded") -> None:
    ToolCall.objects.bulk_create(
        ToolCall(
            user=server.owner, via="api", server=server, server_name=server.name, tool_name="echo",
            status=status, duration_ms=duration, deadline=timezone.now(),
        )
        for duration in durations
    )  # fmt: skip


@each_look
async def test_it_looks_right(busy: McpServer, user: User, width: str, scheme: Scheme) -> None:
    async with served() as url, opened(url, user, width, scheme) as page:
        await visit(page, f"/servers/{busy.pk}/metrics/")
        await expect(page.locator(".chart canvas")).to_have_count(5)
        await expect(page.locator("#refused-list")).to_contain_text("does not answer")
        await expect(page.locator("[data-chart-problem]")).to_contain_text("What is shown is what was stored.")
        assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0
        await keep(page, f"server-metrics-{width}-{scheme}")
        await visit(page, f"/servers/{busy.pk}/")
        await expect(page.locator("#summary")).to_contain_text("45 calls in the last hour, 5 with an error")
        assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


async def test_charts_share_pointer_window_and_marks(busy: McpServer, user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, f"/servers/{busy.pk}/metrics/")
        cpu, latency = page.locator("[data-chart=cpu_percent]"), page.locator("[data-chart=latency]")
        await expect(cpu.locator("figcaption")).to_have_text(re.compile(r"\d\d %"))
        await expect(page.locator("[data-chart=memory_bytes] figcaption")).to_contain_text("limit 512 MB")
        await expect(page.locator("[data-chart=network] figcaption")).to_contain_text("kB/s")
        marks = page.locator("[data-chart-marks]")
        await expect(marks).to_have_text("Memory kills 1 Crashes 0 Restarts 1 Changes 1")

        await cpu.locator(".u-over").hover()
        await expect(cpu.locator(".chart-at")).to_contain_text(":")
        await expect(latency.locator(".chart-at")).to_contain_text(":")

        await page.locator("#usage-figures summary").focus()
        await page.keyboard.press("Enter")
        rows = page.locator("#usage-figures tbody tr")
        await expect(rows.filter(has_text="killed at the memory limit")).to_have_count(1)
        await expect(rows.filter(has_text="started it again")).to_have_count(1)
        assert await rows.filter(has_text="—").count() >= 4, "a gap is told as one"
        await page.locator("#call-figures summary").click()
        await expect(page.locator("#call-figures tbody tr").first).to_contain_text("0")
        busiest = page.locator("#call-figures tbody tr", has_text=re.compile("45320190 ms379 ms"))
        await expect(busiest).to_have_count(1)

        await page.reload()
        await page.locator("#usage-figures summary").click()
        await expect(rows.filter(has_text="killed at the memory limit")).to_have_count(1)
        await page.locator("#call-figures summary").click()
        await page.get_by_text("Week", exact=True).click()
        await expect(busiest).to_have_count(1)
        picture = await cpu.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
        await page.evaluate("document.documentElement.dataset.theme = 'dark'")
        changed = "(before) => document.querySelector('[data-chart=cpu_percent] canvas').toDataURL() !== before"
        await page.wait_for_function(changed, arg=picture)


async def test_nothing_moves_when_figures_arrive_and_calls_come_by_themselves(busy: McpServer, user: User) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await page.add_init_script(
            "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shift += entry.value)))"
            ".observe({ type: 'layout-shift', buffered: true });"
        )
        await visit(page, f"/servers/{busy.pk}/metrics/")
        await expect(page.locator(".chart canvas")).to_have_count(5)
        await expect(page.locator("#refused-list")).to_contain_text("does not answer")
        assert await page.evaluate("window.shift") < 0.01
        calls = page.locator("[data-chart=calls] .chart-value").first
        await expect(calls).to_have_text("0")
        await sync_to_async(call)(busy, *[5.0] * 7)
        await expect(calls).to_have_text("7", timeout=60_000)
        await expect(page.locator("[data-chart=latency] .chart-value").first).to_have_text("5.0 ms")


async def test_empty_states(make_server: Callable[..., McpServer], user: User) -> None:
    server = await sync_to_async(make_server)()
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, f"/servers/{server.pk}/metrics/")
        await expect(page.get_by_text("It has not run in this time.")).to_be_visible()
        await expect(page.get_by_text("No calls in this time.")).to_be_visible()
        await expect(page.locator(".chart canvas")).to_have_count(5)


async def test_a_restart_is_told_at_once(make_server: Callable[..., McpServer], user: User) -> None:
    server = await sync_to_async(make_server)()
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, f"/servers/{server.pk}/metrics/")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")
        restarts = page.locator("[data-mark=restart] strong")
        await expect(restarts).to_have_text("0")
        crashed = state_of(server, Phase.CRASHED, restarts=1, reason="It ended with 1.")
        await sync_to_async(observe)(server_id=server.pk, state=crashed)
        await expect(restarts).to_have_text("1", timeout=20_000)
        await expect(page.locator("[data-mark=crash] strong")).to_have_text("1")


async def test_the_socket_says_that_the_toolbox_is_away(make_server: Callable[..., McpServer], user: User) -> None:
    server = await sync_to_async(make_server)()
    page = await opened_socket(server, user, "metrics/")
    messages = [(await page.receive_output(timeout=5))["text"] for _ in range(3)]
    changed, told = (json.loads(text) for text in messages if text.startswith("{"))
    assert changed == {"kind": "changed"}
    assert (told["kind"], told["points"], told["begin"]) == ("samples", [], False)
    assert "does not answer" in told["problem"]
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


def test_what_was_refused_where_the_toolbox_is_away(make_server: Callable[..., McpServer], browser: Client) -> None:
    page = browser.get(f"/servers/{make_server().pk}/metrics/refused/").content.decode()
    assert "does not answer" in page
    assert "What was refused is known there alone." in page
