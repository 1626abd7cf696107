"""100,000 receipts of one user: what is read of them does not grow with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agents.models import ToolCall
from agents.receipts_pages.query import CallQuery, Place
from agents.receipts_pages.selectors import calls_for, page_of
from agents.receipts_pages.totals import totals

COUNT = 100_000
FILL = """
INSERT INTO agents_toolcall (id, user_id, via, agent_name, token_name, client, server_name, tool_name, definition_digest, arguments, result,
    status, error_code, error_message, created_at, deadline, duration_ms, cpu_seconds, egress_bytes, cost_shared)
SELECT gen_random_uuid(), %(user)s, 'gateway', 'agent-' || n %% 5, '', 'client', 'server-' || n %% 50, 'tool-' || n %% 200, '',
    jsonb_build_object('path', repeat('x', 200)), jsonb_build_object('content', repeat('y', 400)),
    CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END, '', '',
    %(now)s - n * interval '5 seconds', %(now)s, n %% 300, 0.01, 100, false
FROM generate_series(1, %(count)s) n
"""


@pytest.fixture
def many(user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"user": user.pk, "now": timezone.now(), "count": COUNT})
        cursor.execute("ANALYZE agents_toolcall")


def plan_of(rows: Any) -> str:
    return str(rows.explain())


@pytest.mark.usefixtures("many")
def test_it_pages_filters_and_sums_up(user: User, browser: Client) -> None:
    middle = page_of(user, CallQuery(before=str(Place(timezone.now() - timedelta(days=3), UUID(int=0)))))
    for path in (
        "", f"?{middle.older}", f"?{middle.newer}", "?status=failed", "?agent=agent-3", "?server=server-7&tool=tool-7",
        "?search=tool-19", "?search=nothing+such", "?since=2020-01-01&until=2020-01-02",
        "totals/?window=week", "totals/?window=month&by=agent",
    ):  # fmt: skip
        assert browser.get(f"/calls/{path}").status_code == 200
    assert totals(user, "agent", CallQuery(window="month")).rows[0].calls == COUNT // 5


@pytest.mark.usefixtures("many")
def test_a_page_is_read_from_its_index(user: User) -> None:
    middle = Place(timezone.now() - timedelta(days=3), UUID(int=0))
    calls = calls_for(user)
    for rows in (calls, calls.filter(middle.older), calls.filter(middle.newer)):
        plan = plan_of(rows.order_by("-created_at", "-id")[:51])
        assert "Seq Scan" not in plan, plan
        assert "Index Scan" in plan, plan


@pytest.mark.usefixtures("many")
def test_looking_for_news_reads_a_few_rows(user: User) -> None:
    rows = calls_for(user).order_by("-created_at").values_list("pk", "status")[:50]
    assert "Seq Scan" not in plan_of(rows)
    assert ToolCall.objects.count() == COUNT
