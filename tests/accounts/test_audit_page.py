"""Reading the audit: the page, its filters, its export, REST."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.core.management import CommandError, call_command
from django.http import StreamingHttpResponse
from django.test import Client
from rest_framework.test import APIClient

from accounts import audit
from accounts.audit import chain, export, query
from accounts.audit.query import AuditQuery
from accounts.models import AuditEvent, User
from agentopia.routing import websocket_urlpatterns
from tests.conftest import server_json
from toolboxes.models import Toolbox

PAGE = "/audit/"


def note(owner: User | None, name: str = "thing", action: str = "thing.changed", **more: Any) -> AuditEvent:
    return audit.record(action=action, target=audit.Target("thing", name, name), owner=owner, **more)


def names(browser: Client, **filters: str) -> list[str]:
    """What the page lists, newest first."""
    answer = browser.get(PAGE, filters)
    assert answer.status_code == 200
    return [row.event.target_name for row in answer.context["rows"]]


def exported(browser: Client, **filters: str) -> list[dict[str, Any]]:
    answer = browser.get(f"{PAGE}export/", filters)
    assert isinstance(answer, StreamingHttpResponse)

    async def read() -> bytes:
        return b"".join([part async for part in answer])

    return [json.loads(line) for line in async_to_sync(read)().decode().splitlines()]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("admin@example.org", "one more long password", is_staff=True))
    return client


def test_one_sees_what_concerns_ones_things_and_what_one_did(browser: Client, user: User, stranger: User, staff: Client) -> None:
    note(user, "mine")
    note(stranger, "theirs")
    with audit.acting(audit.Acting(user=user)):
        note(None, "by me")
    assert names(browser) == ["by me", "mine"]
    assert names(staff) == ["by me", "theirs", "mine"]


@pytest.mark.django_db(transaction=True)
def test_the_address_is_not_everybodys(browser: Client, user: User, staff: Client) -> None:
    admin = User.objects.get(email="admin@example.org")
    with audit.acting(audit.Acting(user=admin, via="admin", address="192.0.2.77")):
        note(user)
    page = browser.get(PAGE).content.decode()
    assert "admin@example.org" in page
    assert "192.0.2.77" not in page
    assert exported(browser)[0]["address"] is None
    assert "192.0.2.77" in staff.get(PAGE).content.decode()


def test_filters(browser: Client, user: User) -> None:
    with audit.acting(audit.Acting(user=user, via="api")):
        note(user, "one", action="server.configured", changes={"memory_mb": [512, 1024]})
    note(user, "two", action="server.stop")
    note(user, "three", action="toolbox.renamed", summary="A canary in it, and 100 %")
    assert names(browser, action="server") == ["two", "one"]
    assert names(browser, action="server.stop") == ["two"]
    assert names(browser, who="ADA") == ["one"]
    assert names(browser, via="system") == ["three", "two"]
    assert names(browser, target="one") == ["one"]
    assert names(browser, type="thing") == ["three", "two", "one"]
    assert names(browser, search="canary") == ["three"]
    assert names(browser, search="memory 1024") == ["one"]
    assert names(browser, search="%") == ["three"]
    assert names(browser, search="owner_id") == [], "the names of columns are no words of a record"
    assert names(browser, search="nothing such") == []


def test_a_period(browser: Client, user: User) -> None:
    for day in (1, 2, 3):
        AuditEvent.objects.create(
            at=datetime(2026, 5, day, 23, 59, tzinfo=UTC),
            owner_id=user.pk,
            action="a.b",
            target_type="t",
            target_id="1",
            target_name=f"{day}",
        )
    assert names(browser, since="2026-05-02", until="2026-05-02") == ["2"]
    assert names(browser, until="2026-05-02") == ["2", "1"]
    assert names(browser, since="nonsense") == ["3", "2", "1"], "what cannot be used counts as not given"


def test_pages_stay_what_they_are(browser: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "PER_PAGE", 2)
    for n in range(5):
        note(user, str(n))
    first = browser.get(PAGE).context["page"]
    assert [event.target_name for event in first.events] == ["4", "3"]
    assert first.newer == ""
    note(user, "5")
    second = browser.get(f"{PAGE}?{first.older}").context["page"]
    assert [event.target_name for event in second.events] == ["2", "1"]
    last = browser.get(f"{PAGE}?{second.older}").context["page"]
    assert ([event.target_name for event in last.events], last.older) == (["0"], "")
    assert [event.target_name for event in browser.get(f"{PAGE}?{last.newer}").context["page"].events] == ["2", "1"]


@pytest.mark.parametrize("junk", ["before=x", "after=99999999999999999999", "search=%00", "via=nobody", "since=2026-13-01", "before=-1"])
def test_junk_in_the_address(browser: Client, user: User, junk: str) -> None:
    note(user)
    assert browser.get(f"{PAGE}?{junk}").status_code == 200


def test_changes_are_shown_and_escaped(browser: Client, user: User) -> None:
    note(user, "<script>x", changes={"name": ["<b>", "b"], "egress": [[], ["example.org"]], "on": [False, True]}, summary="<i>")
    page = browser.get(PAGE).content.decode()
    assert "<script>x" not in page
    assert "<del>&lt;b&gt;</del>" in page
    assert "<ins>example.org</ins>" in page
    assert "<del>no</del> → <ins>yes</ins>" in page


def test_the_search_gets_the_list_alone(browser: Client, user: User) -> None:
    note(user)
    part = browser.get(PAGE, headers={"HX-Request": "true", "HX-Target": "list"}).content.decode()
    assert "<html" not in part
    assert 'id="export"' in part, "the export follows the filters"


def test_it_says_verified_only_if_it_was(browser: Client, user: User, transactional_db: None) -> None:
    assert "has not been verified yet" in browser.get(PAGE).content.decode()
    note(user)
    chain.check()
    note(user)
    assert "sound up to record 1 of 2" in " ".join(browser.get(PAGE).content.decode().split())


@pytest.mark.django_db(transaction=True)
def test_the_export_has_the_same_filters(browser: Client, user: User, stranger: User, staff: Client) -> None:
    note(user, "mine", action="server.stop")
    note(user, "other", action="toolbox.renamed")
    note(stranger, "theirs", action="server.stop")
    lines = exported(browser, action="server")
    assert [line["target_name"] for line in lines] == ["mine"]
    assert "hash" not in lines[0]
    assert [line["target_name"] for line in exported(staff)] == ["mine", "other", "theirs"]


def test_an_export_is_read_in_pieces_and_can_be_verified(
    staff: Client, user: User, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    staff.force_login(User.objects.create_user("root@example.org", "a long password", is_staff=True))
    for n in range(5):
        note(user, str(n))
    before = chain.FIRST
    lines = exported(staff)
    assert len(lines) == 5
    for line in lines:
        assert (line["previous"], line["hash"]) == (before, chain.hash_of(before, line["position"], line["body"]))
        assert json.loads(line["body"])["target_name"] == line["target_name"]
        before = line["hash"]


def test_rest(api: APIClient, user: User, stranger: User) -> None:
    note(stranger, "theirs")
    for n in range(3):
        note(user, str(n))
    answer = api.get("/api/v1/audit/", {"limit": 2, "type": "thing"})
    assert [event["target_name"] for event in answer.data["results"]] == ["2", "1"]
    rest = api.get(answer.data["next"]).data
    assert ([event["target_name"] for event in rest["results"]], rest["next"]) == (["0"], None)
    wrong = api.get("/api/v1/audit/", {"since": "yesterday"})
    assert (wrong.status_code, wrong.data["fields"]) == (400, {"since": "It cannot be “yesterday”."})


def test_an_entry_is_searched_by_what_the_export_command_is_given(user: User) -> None:
    note(user, "one")
    said = StringIO()
    call_command("audit", "export", "--target", "one", stdout=said)
    assert json.loads(said.getvalue())["target_name"] == "one"
    with pytest.raises(CommandError, match="--since cannot be"):
        call_command("audit", "export", "--since", "yesterday", stdout=said)


@pytest.mark.django_db(transaction=True)
async def test_the_page_hears_of_records(user: User) -> None:
    scope = {"type": "websocket", "path": "/ws/audit/", "query_string": b"action=thing", "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(timeout=5))["type"] == "websocket.accept"
    assert "No record matches" in (await page.receive_output(timeout=5))["text"]
    await database_sync_to_async(note)(user, "news")
    assert "news" in (await page.receive_output(timeout=5))["text"]
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


def test_no_secret_of_a_deployment_is_recorded(api: APIClient, toolbox: Toolbox) -> None:
    entry = api.post("/api/v1/catalog/", server_json(), format="json").data["id"]
    given = {"entry": entry, "toolbox": str(toolbox.pk), "config": {"CITY": "Rome"}, "secrets": {"API_KEY": "canary-4711"}}
    assert api.post("/api/v1/servers/", given, format="json").status_code == 201
    assert "canary-4711" not in str(list(AuditEvent.objects.values()))


def test_parsing_keeps_what_can_be_used() -> None:
    parsed = AuditQuery.parse({"who": " ada ", "via": "api", "before": "12", "until": "2026-05-01"})
    assert parsed.encoded == "who=ada&via=api&until=2026-05-01&before=12"
    assert parsed.filters.encoded == "who=ada&via=api&until=2026-05-01"
