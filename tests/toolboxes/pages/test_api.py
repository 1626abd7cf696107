"""REST: toolboxes, for the one who owns them and for others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import McpServer
from tests.toolboxes.pages.conftest import GB, Make, info
from toolboxes.models import EnrolmentToken, Job, Metric, Toolbox, ToolboxEvent
from toolboxes.services.events import record
from toolboxes.status import State

ROOT = "/api/v1/toolboxes/"
ROUTES = [("get", ""), ("delete", ""), ("post", "enrollment/"), ("get", "events/"), ("get", "metrics/")]


def of(toolbox: Toolbox, view: str = "") -> str:
    return f"{ROOT}{toolbox.pk}/{view}"


def refused(answer: Any, status: int, code: str, *fields: str) -> None:
    """An error, in the one shape."""
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"code", "detail", "retryable", "fields"}
    assert answer.json()["code"] == code
    assert set(answer.json()["fields"]) == set(fields)


@pytest.mark.parametrize(("method", "view"), ROUTES)
def test_a_strangers_toolbox_is_not_found(api: APIClient, make: Make, stranger: User, method: str, view: str) -> None:
    toolbox = make(owner=stranger)
    refused(getattr(api, method)(of(toolbox, view)), 404, "toolbox_not_found")
    assert not Job.objects.exists()
    assert not EnrolmentToken.objects.exists()


@pytest.mark.parametrize(("method", "view"), ROUTES)
def test_a_removed_toolbox_is_not_found(api: APIClient, make: Make, method: str, view: str) -> None:
    refused(getattr(api, method)(of(make(state="removed"), view)), 404, "toolbox_not_found")


@pytest.mark.parametrize(("method", "view"), [*ROUTES, ("put", ""), ("get", "enrollment/"), ("post", "metrics/")])
def test_nobody_and_wrong_methods(api: APIClient, make: Make, method: str, view: str) -> None:
    path = of(make(), view)
    assert getattr(APIClient(), method)(path).status_code == 401
    if (method, view) not in ROUTES:
        refused(getattr(api, method)(path), 405, "method_not_allowed")


def test_the_list(api: APIClient, make: Make, stranger: User) -> None:
    make("b", state="unresponsive")
    make("a", info=info(dtma_version="0.0.1"))
    make("theirs", owner=stranger)
    body = api.get(ROOT).json()
    assert body["count"] == 2
    a, b = body["results"]
    assert (a["name"], a["status"], a["reason"], [note["kind"] for note in a["notes"]]) == ("a", "online", "", ["version"])
    assert (b["name"], b["status"], b["since"]) == ("b", "unresponsive", b["last_seen_at"].replace("Z", "+00:00"))
    assert a["info"]["memory_bytes"] == 8 * GB
    assert a["load"]["cpu_percent"] == 12.25
    assert a["certificate_until"] > timezone.now().isoformat()


@pytest.mark.parametrize("state", [state for state in State if state is not State.REMOVED])
def test_one_in_every_state_and_the_list_by_status(api: APIClient, make: Make, state: State) -> None:
    toolbox, _ = make("it", state=state), make("other", state="online" if state is not State.ONLINE else "pending")
    assert api.get(of(toolbox)).json()["status"] == state
    assert [found["name"] for found in api.get(f"{ROOT}?status={state}").json()["results"]] == ["it"]


def test_a_status_that_there_is_not(api: APIClient, db: None) -> None:
    refused(api.get(f"{ROOT}?status=fine"), 400, "invalid", "status")


def test_one_is_added_and_enrolled(api: APIClient, user: User) -> None:
    answer = api.post(ROOT, {"name": "alpha", "provider": "own_server"}, format="json")
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["provider"]) == ("pending", "own_server")
    toolbox = Toolbox.objects.get()
    assert (str(toolbox.pk), toolbox.owner) == (answer.json()["id"], user)

    made = api.post(of(toolbox, "enrollment/"))
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    token = EnrolmentToken.objects.get()
    assert token.digest == EnrolmentToken.digest_of(made.json()["token"])
    assert token.created_by == user
    assert made.json()["token"] in made.json()["command"]
    assert datetime.fromisoformat(made.json()["expires_at"]) == token.expires_at
    assert made.json()["token"] not in api.get(of(toolbox, "events/")).content.decode() + api.get(of(toolbox)).content.decode()


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        ({}, 400, "invalid", {"name"}),
        ({"name": "-"}, 400, "invalid", {"name"}),
        ({"name": "x" * 64}, 400, "invalid", {"name"}),
        ({"name": "Taken"}, 409, "name_taken", {"name"}),
        ({"name": "x", "provider": "nowhere"}, 404, "provider_not_found", set()),
        ({"name": "x", "provider": "this_machine"}, 409, "provider_not_ready", set()),
        ([], 400, "invalid", {""}),
    ],
)
def test_what_cannot_be_added(api: APIClient, make: Make, body: Any, status: int, code: str, fields: set[str]) -> None:
    make("taken")
    refused(api.post(ROOT, body, format="json"), status, code, *fields)
    assert Toolbox.objects.count() == 1


@pytest.mark.parametrize(("state", "code"), [("removing", "toolbox_removing"), ("this machine", "enrolled_by_make_run")])
def test_what_cannot_be_enrolled(api: APIClient, make: Make, state: str, code: str) -> None:
    provider = Toolbox.Provider.THIS_MACHINE if state == "this machine" else Toolbox.Provider.OWN_SERVER
    toolbox = make(state="removing" if state == "removing" else "online", provider=provider)
    refused(api.post(of(toolbox, "enrollment/")), 409, code)
    assert not EnrolmentToken.objects.exists()


def test_one_is_removed(api: APIClient, toolbox: Toolbox, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    answer = api.delete(of(toolbox))
    assert answer.status_code == 202
    assert answer.json()["status"] == "removing"
    assert Job.objects.get(kind=Job.Kind.REMOVE).is_active
    server.refresh_from_db()
    assert server.desired == McpServer.Desired.ABSENT
    assert api.delete(of(toolbox)).status_code == 202
    assert Job.objects.filter(kind=Job.Kind.REMOVE).count() == 1


def test_events(api: APIClient, make: Make) -> None:
    toolbox = make()
    record(toolbox=toolbox, kind="odd", text="Something odd.", severity=ToolboxEvent.Severity.WARNING)
    body = api.get(of(toolbox, "events/")).json()
    assert [event["kind"] for event in body["results"]] == ["odd", "created"]
    assert set(body["results"][0]) == {"at", "kind", "severity", "text"}
    assert [event["kind"] for event in api.get(of(toolbox, "events/?severity=warning")).json()["results"]] == ["odd"]
    refused(api.get(of(toolbox, "events/?severity=loud")), 400, "invalid", "severity")


@pytest.mark.parametrize(("window", "seconds", "count"), [("hour", 15, 240), ("day", 60, 1440), ("week", 600, 1008), ("month", 600, 4320)])
def test_metrics_with_gaps(api: APIClient, make: Make, window: str, seconds: int, count: int) -> None:
    toolbox = make()
    past = int(timezone.now().timestamp()) // seconds - 2
    at = datetime.fromtimestamp(past * seconds, UTC)
    figures = {"cpu_percent": 5.5, "load": 0.25, "memory_used_bytes": GB, "disk_used_bytes": 40 * GB}
    Metric.objects.create(toolbox=toolbox, resolution=seconds, slot=0, at=at, **figures)
    Metric.objects.create(toolbox=toolbox, resolution=seconds, slot=1, at=at - timedelta(days=60), **figures)  # of an earlier round
    body = api.get(of(toolbox, f"metrics/?window={window}")).json()
    assert (body["window"], body["resolution_seconds"], body["memory_bytes"], body["disk_bytes"]) == (window, seconds, 8 * GB, 100 * GB)
    assert len(body["points"]) == count
    moments = [datetime.fromisoformat(point["at"]) for point in body["points"]]
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(seconds=seconds)}
    (known,) = [point for point in body["points"] if point["load"] is not None]
    assert known == {"at": known["at"], **figures}
    assert datetime.fromisoformat(known["at"]) == at


def test_metrics_of_an_hour_unless_told_and_of_no_other_window(api: APIClient, make: Make) -> None:
    toolbox = make(state="pending")
    body = api.get(of(toolbox, "metrics/")).json()
    assert (body["window"], body["memory_bytes"]) == ("hour", None)
    refused(api.get(of(toolbox, "metrics/?window=year")), 400, "invalid", "window")
