"""The log page in a browser, over a container that prints: live, far back, very long, and honest about what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import chromium, expect_status, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

MOST_ROWS = 200
"""In the document, however many lines there are."""
LONG_MS = 60_000
KEEP_SOCKETS = """
  window.sockets = [];
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(...where) { super(...where); if (String(where[0]).includes("/lines/")) window.sockets.push(this); }
  };
"""


@pytest.fixture
def server_id(rest: Rest, image: str) -> Iterator[str]:
    """A server that prints what it is told."""
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    assert rest.until_settled(server_id)["status"] == "running"
    yield server_id
    rest.ask("DELETE", f"servers/{server_id}/")
    rest.until_gone(server_id)


def open_log(page: Page, server_id: str) -> Locator:
    """The rows in sight, once the page is live."""
    page.goto(f"/servers/{server_id}/log/")
    expect(page.locator("[data-log-viewer][data-live]")).to_be_visible()
    return page.locator("#log-lines .log-line")


def shout(rest: Rest, server_id: str, text: str, count: int = 1, stream: str = "stderr") -> None:
    rest.say(server_id, "shout", text=text, count=count, stream=stream)


def copied(page: Page) -> list[str]:
    """All lines that the page shows, in sight or not, through its own button."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the lines shown").click()
    expect(page.locator("[data-log-said]")).to_contain_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()")).splitlines()


def numbers(lines: list[str], text: str) -> list[int]:
    """The numbers that `shout` gave the lines of a text."""
    return [int(line.rsplit(" ", 1)[1]) for line in lines if f" {text} " in line]


def test_lines_arrive_as_they_are_printed(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    expect(rows.first).to_contain_text("Starting the container (generation 1).")
    shout(rest, server_id, "to standard error")
    shout(rest, server_id, "to standard output", stream="stdout")
    expect(rows.nth(1)).to_have_attribute("data-stream", "stderr")
    expect(rows.nth(1)).to_contain_text("to standard error 0")
    expect(rows.nth(2)).to_have_attribute("data-stream", "stdout")
    expect(page.locator("[data-log-count]")).to_have_text("3 lines")
    expect(page.locator(".log-begin")).to_contain_text("The log begins here.")


def test_markup_and_escapes_are_no_more_than_text(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "<b>bold</b> &amp; \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 10%\r100%")
    expect(rows.last.locator(".log-text")).to_have_text("100% 0")
    shout(rest, server_id, "<b>bold</b> &amp; \x1b[1;31mred\x1b[0m")
    expect(rows.last.locator(".log-text")).to_have_text("<b>bold</b> &amp; red 0")


def test_pausing_counts_what_comes_and_the_end_key_goes_on(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "before", 300)
    expect(rows.last).to_contain_text("before 299")
    page.get_by_role("button", name="Pause").click()
    shout(rest, server_id, "meanwhile", 1500)
    expect(page.locator("[data-log-new]")).to_have_text("1,500 new")
    expect(rows.last).not_to_contain_text("meanwhile 1499")
    page.locator("#log-scroll").press("End")
    expect(rows.last).to_contain_text("meanwhile 1499")
    expect(page.locator("[data-log-new]")).to_have_text("")
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -3000)
    expect(page.get_by_role("button", name="Follow")).to_be_visible()
    shout(rest, server_id, "after", 5)
    expect(page.locator("[data-log-new]")).to_have_text("5 new")
    page.get_by_role("button", name="Follow").click()
    expect(rows.last).to_contain_text("after 4")


def test_a_hundred_thousand_lines(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "line", 100_000)
    expect(rows.last).to_contain_text("line 99999", timeout=LONG_MS)
    assert rows.count() < MOST_ROWS
    for wrapped in (False, True):
        if wrapped:
            page.get_by_role("button", name="Wrap lines").click()
        seen = page.evaluate("""async () => {
          const log = document.querySelector("#log-scroll");
          const rows = document.querySelector("#log-lines");
          const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
          const seen = [];
          for (let part = 0; part <= 50; part++) {
            log.scrollTop = (log.scrollHeight - log.clientHeight) * part / 50;
            await frame();
            const box = log.getBoundingClientRect();
            const inSight = [...rows.children].filter((row) => {
              const own = row.getBoundingClientRect();
              return own.bottom > box.top && own.top < box.bottom;
            });
            seen.push({rows: rows.childElementCount, covered: inSight.length * inSight[0].offsetHeight / log.clientHeight,
                       first: inSight[0].textContent, texts: inSight.map((row) => row.querySelector(".log-text").textContent)});
          }
          return seen;
        }""")
        assert max(look["rows"] for look in seen) < MOST_ROWS
        firsts = []
        for look in seen[1:]:
            shown = [int(text.split()[1]) for text in look["texts"]]
            assert shown == list(range(shown[0], shown[0] + len(shown)))
            assert look["covered"] > 0.9
            firsts.append(shown[0])
        assert firsts == sorted(firsts)
        assert shown[-1] == 99_999
    page.get_by_role("button", name="Wrap lines").click()


def test_a_burst_adds_up(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "burst", 100_000)
    expect(rows.last).to_contain_text("burst 99999", timeout=LONG_MS)
    lines = copied(page)
    dropped = sum(int(found[1]) for line in lines if (found := re.search(r" dtma (\d+) lines dropped", line)))
    received = numbers(lines, "burst")
    assert received == sorted(set(received))
    assert len(received) + dropped == 100_000


def test_a_page_that_stood_still_says_what_it_missed(page: Page, rest: Rest, server_id: str) -> None:
    """Nothing is read while the page's only thread waits for the call, which prints more than any log on disk holds."""
    rows = open_log(page, server_id)
    count, text = 15_000, "é" * 1000
    status = page.evaluate(
        """([address, body, token]) => {
          const request = new XMLHttpRequest();
          request.open("POST", address, false);
          request.setRequestHeader("Authorization", `Bearer ${token}`);
          request.setRequestHeader("Content-Type", "application/json");
          request.send(body);
          return request.status;
        }""",
        [
            f"/api/v1/servers/{server_id}/tools/shout/call/",
            json.dumps({"arguments": {"text": text, "count": count}}),
            rest.token,
        ],
    )
    assert status == 200
    expect(rows.last).to_contain_text(f" {count - 1}", timeout=LONG_MS)
    lines = copied(page)
    received = numbers(lines, text)
    dropped = [int(found[1]) for line in lines if (found := re.search(r" dtma (\d+) lines dropped", line))]
    assert sum(dropped) > 0
    assert received == sorted(set(received))
    assert len(received) + sum(dropped) == count


def test_a_broken_connection_loses_and_repeats_nothing(page: Page, rest: Rest, server_id: str) -> None:
    page.add_init_script(KEEP_SOCKETS)
    rows = open_log(page, server_id)
    with ThreadPoolExecutor() as pool:
        for part in range(3):
            printing = pool.submit(shout, rest, server_id, f"part{part}", 20_000)
            expect(rows.last).to_contain_text(f"part{part}", timeout=LONG_MS)
            page.evaluate("window.sockets.at(-1).close()")
            printing.result()
            shout(rest, server_id, f"end of {part}")
            expect(rows.last).to_contain_text(f"end of {part} 0", timeout=LONG_MS)
    assert page.evaluate("window.sockets.length") == 4
    lines = copied(page)
    for part in range(3):
        assert numbers(lines, f"part{part}") == list(range(20_000))
    assert not any("dropped" in line for line in lines)


def test_back_to_the_start_of_the_container_and_beyond(page: Page, rest: Rest, server_id: str) -> None:
    shout(rest, server_id, "first container", 8000)
    rows = open_log(page, server_id)
    page.get_by_role("button", name="Restart").click()
    expect(page.locator(".log-line[data-start]").last).to_be_visible(timeout=LONG_MS)
    expect_status(page, "running")
    shout(rest, server_id, "second container", 9000)
    page.reload()
    expect(rows.last).to_contain_text("second container 8999")
    begin = page.locator(".log-begin")
    expect(page.locator("[data-log-count]")).to_have_text("2,000 lines")
    for held in ("7,000 lines", "12,000 lines"):
        page.locator("#log-scroll").press("Home")
        expect(page.locator("[data-log-count]")).to_have_text(held)
    page.locator("#log-scroll").press("Home")
    expect(begin).to_contain_text("The present container started below.")
    expect(page.locator("[data-log-count]")).to_have_text("12,000 lines")
    begin.get_by_role("button", name="Load what came before").click()
    expect(page.locator("[data-log-count]")).to_have_text("17,000 lines")
    page.locator("#log-scroll").press("Home")
    expect(page.locator("[data-log-count]")).to_have_text("17,002 lines")
    page.locator("#log-scroll").press("Home")
    expect(begin).to_contain_text("The log begins here.")
    lines = copied(page)
    assert numbers(lines, "first container") == list(range(8000))
    assert numbers(lines, "second container") == list(range(9000))
    assert sum("Starting the container" in line for line in lines) == 2


def test_what_the_page_lets_go_can_be_loaded_again(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    for part in range(3):
        shout(rest, server_id, f"p{part}", 80_000)
        expect(rows.last).to_contain_text(f"p{part} 79999", timeout=LONG_MS)
    page.get_by_role("button", name="Pause").click()
    begin = page.locator(".log-begin")
    expect(begin).to_contain_text("Older lines were let go from this page.")
    before = [line for line in copied(page) if " err p" in line]
    assert 180_000 <= len(before) <= 200_000
    page.locator("#log-scroll").press("Home")
    expect(begin).to_contain_text("There are older lines.")
    after = [line for line in copied(page) if " err p" in line]
    assert len(after) > len(before)
    everything = [f" err p{part} {number}" for part in range(3) for number in range(80_000)]
    assert [line[line.index(" err ") :] for line in after] == everything[-len(after) :]


def test_search(page: Page, rest: Rest, server_id: str) -> None:
    shout(rest, server_id, "needle", 2)
    shout(rest, server_id, "hay", 6000)
    shout(rest, server_id, "Needle (late)", 2)
    rows = open_log(page, server_id)
    expect(rows.last).to_contain_text("Needle (late) 1")
    page.keyboard.press("/")
    expect(page.locator("#log-search")).to_be_focused()
    page.keyboard.type("needle")
    matches = page.locator("[data-log-matches]")
    expect(matches).to_have_text("2")
    expect(page.locator("mark")).to_have_text(["Needle", "Needle"])
    current = page.locator(".log-line[aria-current]")
    page.keyboard.press("Enter")
    expect(current).to_contain_text("Needle (late) 0")
    page.keyboard.press("Shift+Enter")  # into lines that were not here yet
    expect(matches).to_have_text("2/4")
    expect(current).to_contain_text("needle 1")
    expect(current).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(current).to_contain_text("Needle (late) 0")
    page.fill("#log-search", "(late) 1")
    expect(matches).to_have_text("1")
    page.keyboard.press("Enter")
    expect(matches).to_have_text("1/1")
    page.keyboard.press("Escape")
    expect(matches).to_have_text("")
    expect(page.locator("#log-scroll")).to_be_focused()
    page.fill("#log-search", "not in it")
    page.keyboard.press("Enter")
    expect(page.locator("[data-log-said]")).to_have_text("Not found.")


def test_filters(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "ERROR: broken", 3)
    shout(rest, server_id, "WARNING: careful", 4)
    shout(rest, server_id, "nothing special", 5, stream="stdout")
    shout(rest, server_id, '{"level": "debug"}', 6, stream="stdout")
    count = page.locator("[data-log-count]")
    expect(count).to_have_text("19 lines")
    severity = page.get_by_label("Severity")
    for value, shown in (("4", "3 of 19 lines"), ("3", "7 of 19 lines"), ("2", "13 of 19 lines"), ("0", "19 lines")):
        severity.select_option(value)
        expect(count).to_have_text(shown)
    expect(page.locator(".log-line[data-severity=error]")).to_have_count(3)
    page.get_by_role("button", name="Standard error").click()
    expect(count).to_have_text("12 of 19 lines")
    shout(rest, server_id, "not shown", 2)
    shout(rest, server_id, "shown", 1, stream="stdout")
    expect(count).to_have_text("13 of 22 lines")
    assert [line.split(" ", 2)[2] for line in copied(page)][-1] == "shown 0"
    assert len(copied(page)) == 13
    expect(rows.last).to_contain_text("shown 0")


def test_times_and_wrapping_are_remembered(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "long " + "word " * 300)
    expect(rows.last).to_contain_text("word")
    one = rows.last.bounding_box()
    page.get_by_role("button", name="Wrap lines").click()
    assert one is not None
    page.get_by_label("Times").select_option("utc")
    moment = rows.last.locator("time").get_attribute("datetime")
    assert moment is not None
    for _ in range(2):
        expect(rows.last.locator("time")).to_have_text(moment[5:23].replace("T", " "))
        expect(page.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "true")
        wrapped = rows.last.bounding_box()
        assert wrapped is not None
        assert wrapped["height"] > 5 * one["height"]
        assert page.evaluate("(log => log.scrollWidth - log.clientWidth)(document.querySelector('#log-scroll'))") == 0
        page.reload()
        expect(rows.last).to_contain_text("word")
    page.get_by_label("Times").select_option("off")
    expect(rows.last.locator("time")).to_have_count(0)


def test_the_file(page: Page, rest: Rest, server_id: str, tmp_path: Path) -> None:
    shout(rest, server_id, "kept", 30_000)
    open_log(page, server_id)
    page.get_by_role("button", name="Download the log").click()
    for label, suffix in (("As text", ".log"), ("As JSON Lines", ".ndjson")):
        with page.expect_download() as download:
            page.get_by_role("link", name=label).click()
        assert download.value.suggested_filename.endswith(suffix)
        path = tmp_path / suffix
        download.value.save_as(path)
        lines = path.read_text().splitlines()
        found = [json.loads(line)["text"] if suffix == ".ndjson" else line.split(" ", 2)[2] for line in lines]
        assert [text for text in found if text.startswith("kept")] == [f"kept {number}" for number in range(30_000)]


SEVERITIES = {
    "ERROR:root:x": "error",
    "2026-01-01 10:00:00,123 - app - WARNING - careful": "warn",
    "INFO:     Started server process": "info",
    '{"level":"error","msg":"x"}': "error",
    '{"level":30,"time":1,"msg":"an error"}': "info",
    '{"msg":"long ' + "x" * 900 + '","level":"warn"}': "warn",
    "npm ERR! code ENOENT": "error",
    "TypeError: x is not a function": "error",
    "Traceback (most recent call last):": "error",
    "level=warn msg=x": "warn",
    "[debug] hi": "debug",
    "fail: Microsoft.Hosting[0]": "error",
    "dbug: Microsoft.Hosting[0]": "debug",
    "(node:12) ExperimentalWarning: x": "warn",
    "E1123 12:00:00.1 1 x.go:1] boom": "error",
    "an error occurred": "error",
    "0 errors, no error found": "",
    "Listening on http://0.0.0.0:80": "",
}


def test_severities(page: Page, server_id: str) -> None:
    open_log(page, server_id)
    told = page.evaluate(
        """async (texts) => {
          const { SEVERITIES, severityOf } = await import("/static/js/log/line.js");
          return texts.map((text) => SEVERITIES[severityOf(text)]);
        }""",
        list(SEVERITIES),
    )
    assert dict(zip(SEVERITIES, told, strict=True)) == SEVERITIES


def test_a_stack_has_the_severity_of_its_error(page: Page, rest: Rest, server_id: str) -> None:
    rows = open_log(page, server_id)
    shout(rest, server_id, "Traceback (most recent call last):\n  File x\n    raise Y\nValueError: no\nfine", 1)
    expect(rows.last).to_contain_text("fine 0")
    told: list[Any] = [rows.nth(number).get_attribute("data-severity") for number in range(1, 6)]
    assert told == ["error", "error", "error", "error", None]
