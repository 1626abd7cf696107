"""How often tools were called and how that went, counted from the receipts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import create_api_token
from agents.metrics import SERIES, CallPoint, call_series, calls_of_last_hour
from agents.models import Grant, ToolCall
from agents.services.agents import create_agent
from agents.services.grants import grant
from mcp_registry.models import McpServer
from mcp_registry.services.metrics import store_usage
from tests.conftest import heartbeat_of
from tests.registry.test_metrics import usage

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MIN = timedelta(minutes=1)
FILL = """
INSERT INTO agents_toolcall (id, user_id, via, server_id, server_name, tool_name, definition_digest, arguments, result, status, error_code,
    error_message, created_at, deadline, duration_ms, agent_name, token_name, client, cost_shared)
SELECT gen_random_uuid(), %(user)s, 'api', server, 'x', 'echo', '', '{}', jsonb_build_object('text', repeat('x', 300)), 'succeeded', '', '',
    %(end)s - n * interval '1 minute', %(end)s, random() * 100, '', '', '', false
FROM unnest(%(servers)s::uuid[]) AS server, generate_series(1, 10000) AS n
"""


@pytest.fixture
def server(make_server: Callable[..., McpServer]) -> McpServer:
    return make_server()


def called(server: McpServer, at: datetime, *durations: float | None, status: str = "succeeded") -> None:
    ToolCall.objects.bulk_create(
        ToolCall(
            user=server.owner, via="api", server=server, server_name=server.name, tool_name="echo",
            status=status, duration_ms=duration, deadline=at,
        )
        for duration in durations
    )  # fmt: skip
    ToolCall.objects.filter(server=server, deadline=at).update(created_at=at)


def busy_points(points: list[CallPoint]) -> list[CallPoint]:
    return [point for point in points if point != CallPoint(point.at)]


def test_calls_are_counted_by_the_minute(server: McpServer) -> None:
    called(server, NOW - 10 * MIN, *(float(n) for n in range(1, 101)))
    called(server, NOW - 10 * MIN + timedelta(seconds=1), 1000.0, 1000.0, status="tool_error")
    called(server, NOW - 10 * MIN + timedelta(seconds=2), 30_000.0, status="failed")
    called(server, NOW - 10 * MIN + timedelta(seconds=3), None, status="refused")
    called(server, NOW - 10 * MIN + timedelta(seconds=4), None, status="running")
    called(server, NOW, 7.0)
    called(server, NOW - timedelta(hours=2), 7.0)
    points = call_series(server, "hour", NOW)
    assert (len(points), points[-1].at, points[0].at) == (60, NOW.replace(second=0), NOW.replace(second=0) - 59 * MIN)
    earlier, now = busy_points(points)
    counts = (earlier.calls, earlier.tool_errors, earlier.failures, earlier.refused)
    assert (earlier.at, counts) == (NOW.replace(second=0) - 10 * MIN, (103, 2, 1, 1))
    assert [earlier.p50_ms, earlier.p95_ms] == pytest.approx([51.5, 96.95])
    assert now == CallPoint(NOW.replace(second=0), 1, p50_ms=7, p95_ms=7)


def test_a_week_is_counted_by_ten_minutes(server: McpServer) -> None:
    called(server, NOW - timedelta(days=6), 10.0, 20.0)
    called(server, NOW - timedelta(days=6) + 9 * MIN, 30.0)
    points = call_series(server, "week", NOW)
    assert len(points) == 1008
    (one,) = busy_points(points)
    assert one == CallPoint((NOW - timedelta(days=6)).replace(second=0), 3, p50_ms=20, p95_ms=29)


def test_only_answers_have_a_latency(server: McpServer) -> None:
    called(server, NOW, 30_000.0, status="failed")
    called(server, NOW, None, status="refused")
    (point,) = busy_points(call_series(server, "day", NOW))
    assert (point.calls, point.failures, point.refused, point.p50_ms, point.p95_ms) == (1, 1, 1, None, None)


def test_calls_of_another_server_are_not_counted(server: McpServer, make_server: Callable[..., McpServer]) -> None:
    called(make_server(name="other"), NOW, 1.0)
    assert busy_points(call_series(server, "hour", NOW)) == []
    assert calls_of_last_hour(server, NOW) == (0, 0)
    with pytest.raises(KeyError):
        call_series(server, "year", NOW)


@pytest.mark.django_db(transaction=True)
def test_figures_are_found_by_the_index(server: McpServer, make_server: Callable[..., McpServer]) -> None:
    values: dict[str, Any] = {"user": server.owner_id, "servers": [server.pk, make_server(name="other").pk, *[None] * 6], "end": NOW}
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
        cursor.execute("ANALYZE agents_toolcall")
        parameters: dict[str, Any] = {"server": server.pk, "begin": NOW - timedelta(days=1), "end": NOW, "step": "60 s"}
        cursor.execute(f"EXPLAIN {SERIES}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "measured_calls_of_server" in plan
    assert "Seq Scan" not in plan
    assert sum(point.calls for point in call_series(server, "week", NOW)) == 10_000


# --- who may read them ---

ROUTES = ("metrics", "calls/metrics")


@pytest.mark.parametrize("route", ROUTES)
def test_windows(api: APIClient, server: McpServer, route: str) -> None:
    for window, count, seconds in (("hour", 60, 60), ("day", 1440, 60), ("week", 1008, 600)):
        answer = api.get(f"/api/v1/servers/{server.pk}/{route}/", {"window": window})
        body = answer.json()
        assert (answer.status_code, body["window"], body["resolution_seconds"], len(body["points"])) == (200, window, seconds, count)
    assert api.get(f"/api/v1/servers/{server.pk}/{route}/").json()["window"] == "hour"
    wrong = api.get(f"/api/v1/servers/{server.pk}/{route}/", {"window": "year"})
    assert (wrong.status_code, wrong.json()["fields"]) == (400, {"window": "Not one of these."})


@pytest.mark.parametrize("route", ROUTES)
def test_another_user_and_nobody(server: McpServer, stranger: User, route: str) -> None:
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_token(user=stranger, name='test')}")
    assert other.get(f"/api/v1/servers/{server.pk}/{route}/").status_code == 404
    assert APIClient().get(f"/api/v1/servers/{server.pk}/{route}/").status_code == 401


PAGES = ("metrics/", "metrics/refused/", "summary/")


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_another_user_and_of_nobody(server: McpServer, stranger: User, page: str) -> None:
    client = Client()
    assert client.get(f"/servers/{server.pk}/{page}").status_code == 302
    client.force_login(stranger)
    assert client.get(f"/servers/{server.pk}/{page}").status_code == 404
    assert client.post(f"/servers/{server.pk}/{page}").status_code in (404, 405)


def test_the_first_page_says_it_in_a_line(browser: Client, server: McpServer) -> None:
    path = f"/servers/{server.pk}/summary/"
    assert "0 calls in the last hour" in browser.get(path).content.decode()
    now = timezone.now()
    called(server, now - MIN, 5.0, 6.0)
    called(server, now - 2 * MIN, 5.0, status="tool_error")
    heartbeat = heartbeat_of().model_copy(update={"usage": (usage(server, cpu_percent=12.34),), "usage_first": 1})
    store_usage(told=[(server.toolbox_id, now, heartbeat)])
    line = browser.get(path).content.decode().replace("\xa0", " ")
    assert "CPU 12.3 % · memory 64.0 MB of 512.0 MB · 3 calls in the last hour, 1 with an error" in line
    assert f'href="/servers/{server.pk}/metrics/"' in line


def test_the_first_page_says_who_uses_it(browser: Client, server: McpServer) -> None:
    path = f"/servers/{server.pk}/summary/"
    assert "no agent uses it" in browser.get(path).content.decode()
    whole, some, over = (create_agent(owner=server.owner, name=name) for name in ("Whole", "<b>Some</b>", "Over"))
    grant(owner=server.owner, agent_id=whole.pk, server_id=server.pk)
    grant(owner=server.owner, agent_id=some.pk, server_id=server.pk, tools=["echo"])
    grant(owner=server.owner, agent_id=over.pk, server_id=server.pk)
    Grant.objects.filter(agent=over).update(expires_at=timezone.now() - MIN)
    line = browser.get(path).content.decode()
    assert f'<a id="used-by-{whole.pk}" href="/agents/{whole.pk}/servers/{server.pk}/">Whole</a>' in line
    assert "&lt;b&gt;Some&lt;/b&gt;</a> (1 tool)" in line
    assert "Over" not in line


def test_metrics_as_json(api: APIClient, server: McpServer) -> None:
    heartbeat = heartbeat_of().model_copy(update={"usage": (usage(server, out_of_memory_kills=1),), "usage_first": 1})
    store_usage(told=[(server.toolbox_id, timezone.now() - MIN, heartbeat)])
    body = api.get(f"/api/v1/servers/{server.pk}/metrics/").json()
    told = [point for point in body["points"] if point["cpu_percent"] is not None]
    assert told
    assert (told[0]["cpu_percent"], told[0]["memory_bytes"], told[0]["memory_limit_bytes"]) == (25, 64 * 2**20, 512 * 2**20)
    assert [told[0]["received_per_second"], told[0]["sent_per_second"]] == pytest.approx([100, 10], rel=0.1)
    assert {(mark["kind"], mark["count"]) for mark in body["marks"]} == {("deployment", 1), ("out_of_memory", 1)}
