"""A server's metrics in a real Chromium: they move under load, and what happened to the server is marked."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from mcp_registry.manifest import PUBLISHER_SLOT
from tests.dtma.agent import until
from tests.e2e.browser import chromium, page, signed_in
from tests.e2e.conftest import Rest
from tests.stack import Stack

__all__ = ["chromium", "page", "signed_in"]

HISTORY_SECONDS = 120.0  # what is summed up, the heartbeat after it, and a machine that is busy
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def soon(stack: Stack) -> Iterator[None]:
    """The toolbox tells what servers used every 5 s instead of every minute."""
    config = stack.home / "dtma" / "config.json"
    usual = config.read_text()
    restart_dtma(stack, json.dumps({**json.loads(usual), "usage_seconds": 5}))
    yield
    restart_dtma(stack, usual)


def restart_dtma(stack: Stack, config: str) -> None:
    (stack.home / "dtma" / "config.json").write_text(config)
    killed = stack.kill("dtma")
    until(lambda: stack.process("dtma") not in (0, killed), 60)
    until(lambda: answers(json.loads(config)["port"]), 60)


def answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def consumer(rest: Rest, image: str) -> str:
    """A server that uses what it is told to."""
    server_id = rest.deploy_image(image, "python", "/srv/consumer.py")
    assert rest.until_settled(server_id)["status"] == "running"
    return server_id


def open_metrics(page: Page, server_id: str) -> None:
    page.goto(f"/servers/{server_id}/")
    page.get_by_role("link", name="Metrics").click()
    expect(page.locator("html")).to_have_attribute("data-live", "open")
    expect(page.locator(".chart canvas")).to_have_count(5)


def test_metrics_move_under_load_without_a_reload(page: Page, rest: Rest, consumer: str) -> None:
    open_metrics(page, consumer)
    page.evaluate("window.unloaded = false; addEventListener('pagehide', () => (window.unloaded = true))")
    cpu = page.locator("[data-chart=cpu_percent] .chart-value")
    memory = page.locator("[data-chart=memory_bytes] figcaption")
    calls = page.locator("[data-chart=calls] .chart-value").first
    expect(cpu).to_have_text(re.compile(r"^\d(\.\d)? %$"))
    expect(memory).to_contain_text(re.compile(r"Memory\d+ MB.*limit \d+ MB"))

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(lambda: [rest.say(consumer, "burn", seconds=0.4) for _ in range(25)])
        expect(cpu).to_have_text(re.compile(r"^\d{2,3} %$"), timeout=20_000)
        expect(calls).to_have_text(re.compile(r"^[1-9]\d*$"), timeout=20_000)
        expect(page.locator("[data-chart=latency] .chart-value").first).to_have_text(re.compile(r"^\d{3,} ms$|^\d+\.\d s$"))
        assert len(load.result()) == 25
    assert page.evaluate("window.unloaded") is False

    until(lambda: any((point["cpu_percent"] or 0) > 3 for point in rest.get(f"servers/{consumer}/metrics/")["points"]), HISTORY_SECONDS)
    series = rest.get(f"servers/{consumer}/calls/metrics/?window=day")["points"]
    assert sum(point["calls"] for point in series) >= 25
    page.reload()
    page.locator("#usage-figures summary").click()
    expect(page.locator("#usage-figures tbody tr", has_text=re.compile(r"\d MB")).first).to_be_visible()


def test_a_process_killed_for_memory_is_marked(page: Page, rest: Rest, consumer: str) -> None:
    open_metrics(page, consumer)
    kills = page.locator("[data-mark=out_of_memory]")
    expect(kills).to_have_text("Memory kills 0")
    expect(page.locator("[data-chart=cpu_percent] .chart-value")).to_contain_text("%")
    assert rest.say(consumer, "lose_a_child") == "9"
    expect(kills).to_have_text("Memory kills 1", timeout=30_000)

    marks = f"servers/{consumer}/metrics/"
    (killed,) = until(lambda: [mark for mark in rest.get(marks)["marks"] if mark["kind"] == "out_of_memory"], HISTORY_SECONDS)
    assert killed["count"] == 1
    page.reload()
    expect(kills).to_have_text("Memory kills 1")
    page.locator("#usage-figures summary").click()
    expect(page.locator("#usage-figures tbody tr", has_text="killed at the memory limit")).to_have_count(1)


def test_what_was_refused_is_told_with_what_to_do(page: Page, rest: Rest, image: str) -> None:
    profile = {"egress": "allowlist", "hosts": ["api.example.org"]}
    package = {
        "registryType": "oci",
        "identifier": image,
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": word} for word in ("python", "/srv/probe.py")],
    }
    document = {
        "name": f"org.example/e{uuid4().hex[:10]}",
        "description": "For a test.",
        "version": "1.0.0",
        "packages": [package],
        "_meta": {PUBLISHER_SLOT: {"agentopia": profile}},
    }
    status, entry = rest.ask("POST", "catalog/", document)
    assert status == 201, entry
    server_id = rest.deploy(entry["id"])
    assert rest.until_settled(server_id)["status"] == "running"
    rest.say(server_id, "resolve", name="tracker.example.net")
    open_metrics(page, server_id)
    refused = page.locator("#refused")
    expect(refused).to_contain_text("tracker.example.net")
    expect(refused).to_contain_text(re.compile(r"\d+ ×"))
    expect(refused.get_by_text("settings")).to_be_visible()
