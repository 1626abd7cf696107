"""What calls cost, in sum."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agents.receipts_pages import totals as module
from agents.receipts_pages.query import CallQuery
from agents.receipts_pages.totals import totals
from tests.agents.receipts.conftest import Receipt

PAGE = "/calls/totals/"


def test_per_tool_server_and_agent(user: User, stranger: User, receipt: Receipt) -> None:
    receipt(cpu_seconds=1.0, egress_bytes=10, duration_ms=100.0, agent_name="Scribe")
    receipt(cpu_seconds=2.0, egress_bytes=None, duration_ms=300.0, status="tool_error", peak_memory_bytes=9_000_000, cost_shared=True)
    receipt(tool_name="write_file", cpu_seconds=0.5, status="failed", duration_ms=50.0)
    receipt(
        server_name="web",
        tool_name="read_file",
        cpu_seconds=None,
        egress_bytes=None,
        peak_memory_bytes=None,
        duration_ms=None,
        status="refused",
    )
    receipt(user=stranger, cpu_seconds=99.0)
    by_tool = totals(user, "tool", CallQuery())
    assert [(row.server, row.tool, row.calls, row.problems, row.refused) for row in by_tool.rows] == [
        ("files", "read_file", 2, 1, 0), ("files", "write_file", 1, 1, 0), ("web", "read_file", 1, 0, 1),
    ]  # fmt: skip
    first = by_tool.rows[0]
    assert (first.cpu_seconds, first.egress_bytes, first.peak_memory_bytes, first.seconds, first.shared) == (3.0, 10, 9_000_000, 0.4, 1)
    assert first.p95_ms == pytest.approx(290.0)
    assert by_tool.rows[2].cpu_seconds is None
    assert by_tool.sum is not None
    assert (by_tool.sum.calls, by_tool.sum.cpu_seconds) == (4, 3.5)
    assert [(row.name, row.calls) for row in totals(user, "server", CallQuery()).rows] == [("files", 3), ("web", 1)]
    assert [(row.name, row.calls) for row in totals(user, "agent", CallQuery()).rows] == [("", 3), ("Scribe", 1)]
    assert [row.calls for row in totals(user, "agent", CallQuery(status="failed")).rows] == [1]


def test_a_line_leads_to_its_calls(browser: Client, receipt: Receipt) -> None:
    receipt()
    receipt(tool_name="write_file")
    row = browser.get(PAGE).context["totals"].rows[0]
    listed = browser.get(f"/calls/?{row.link}").context["page"].calls
    assert [call.tool_name for call in listed] == [row.tool]


def test_over_a_window(user: User, browser: Client, receipt: Receipt) -> None:
    for days in (0, 3, 20):
        receipt(created_at=timezone.now() - timedelta(days=days))
    assert [totals(user, "tool", CallQuery(window=window)).rows[0].calls for window in ("day", "week", "month", "")] == [1, 2, 3, 2]
    assert "The last 24 hours" in browser.get(PAGE).content.decode()
    assert "Nothing was called in this time" in browser.get(PAGE, {"since": "2020-01-01", "until": "2020-01-02"}).content.decode()


def test_never_over_more_than_so_many(user: User, browser: Client, receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLS", 3)
    made = [receipt(created_at=timezone.now() - timedelta(minutes=minutes)) for minutes in range(5)]
    found = totals(user, "tool", CallQuery())
    assert (found.rows[0].calls, found.begin) == (3, made[2].created_at)
    assert "are counted, those since" in browser.get(PAGE).content.decode()


@pytest.mark.parametrize("by", ["tool", "server", "agent", "odd", ""])
def test_the_page(browser: Client, receipt: Receipt, by: str) -> None:
    receipt(agent_name="Scribe")
    answer = browser.get(PAGE, {"by": by, "window": "month"})
    assert (answer.status_code, answer.context["by"]) == (200, by if by in ("tool", "server", "agent") else "tool")
