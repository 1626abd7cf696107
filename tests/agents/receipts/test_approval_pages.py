"""The inbox, and the page where a call that waits is decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from agents.models import Approval, StandingApproval
from mcp_registry.models import McpServer, Tool
from tests.agents.receipts.conftest import Receipt, Waiting, as_sent

INBOX = "/approvals/"


def decide(browser: Client, approval: Approval, decision: str = "approve", **given: Any) -> HttpResponse:
    answer: Any = browser.post(f"{INBOX}{approval.pk}/", {"decision": decision, **given})
    approval.refresh_from_db()
    return answer


def fields(**changes: str) -> dict[str, str]:
    """What a browser sends of the form: all fields, lines ended as browsers do."""
    shown = {"path": "/srv/notes.txt", "content": "one\r\ntwo", "mode": "", "token": ""}
    return {"edits": "1", **{f"argument-{name}": value for name, value in {**shown, **changes}.items()}}


def test_an_empty_inbox(browser: Client) -> None:
    assert "Nothing waits for you" in browser.get(INBOX).content.decode()


def test_the_inbox_and_the_count_beside_it(browser: Client, waiting: Waiting) -> None:
    waiting({"path": "/a", "content": "first"})
    waiting({"path": "/b", "content": "x" * 400})
    waiting(expires_at=timezone.now() - timedelta(seconds=1))
    answer = browser.get(INBOX)
    page = answer.content.decode()
    assert [one.is_long for one in answer.context["waiting"]] == [False, True]
    assert ("first" in page, "x" * 400 in page) == (True, False)
    assert "Look at it" in page, "what cannot be judged in a line is not approved from it"
    assert page.count("Approve write_file") == 1
    assert 'id="approvals-count" data-tone="accent">2<' in browser.get("/servers/").content.decode(), "on every page"


def test_everything_to_decide_by(browser: Client, waiting: Waiting, receipt: Receipt, files: McpServer) -> None:
    receipt(server=files, tool_name="write_file", arguments={"path": "/before"}, result={"content": [{"type": "text", "text": "done so"}]})
    receipt(server=files, tool_name="write_file", status="failed", error_message="No room.", result=None)
    receipt(server=files, tool_name="read_file", arguments={"path": "/other-tool"})
    page = " ".join(browser.get(f"{INBOX}{waiting().pk}/").content.decode().split())
    for text in (
        "Scribe",
        "claude-code 2.1",
        "Its grant asks",
        "may destroy",
        "stays within its own data",
        "/srv/notes.txt",
        "What was there is lost",
    ):
        assert text in page, text
    for text in ("/before", "done so", "No room.", "2 calls in 30 days, 1 with a problem"):
        assert text in page, text
    assert "/other-tool" not in page


def test_approve_as_asked(browser: Client, waiting: Waiting, user: User) -> None:
    approval = waiting()
    answer = decide(browser, approval, **fields())
    assert (answer.status_code, answer["Location"]) == (302, f"{INBOX}{approval.pk}/?decided")
    assert (approval.status, approval.was_edited, approval.decided_by) == ("approved", False, user)
    assert approval.arguments == {"path": "/srv/notes.txt", "content": "one\ntwo"}, (
        "as it was, whatever a browser makes of the ends of lines"
    )
    page = browser.get(answer["Location"]).content.decode()
    assert ("Approved by ada@example.org" in page, 'id="approve-form"' in page) == (True, False)
    assert AuditEvent.objects.filter(action="approval.approved").count() == 1


def test_approve_from_the_inbox(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    answer = browser.post(f"{INBOX}{approval.pk}/", {"decision": "approve"}, headers={"HX-Request": "true"})
    approval.refresh_from_db()
    assert ("The call is approved." in answer.content.decode(), approval.status, approval.was_edited) == (True, "approved", False)


def test_approve_with_edited_arguments(browser: Client, waiting: Waiting) -> None:
    approval = waiting({"path": "/srv/notes.txt", "content": "one\ntwo", "mode": "append", "extra": [1]})
    sent = {**fields(path="/tmp/safe.txt", mode=""), "argument-further": '{\r\n  "extra": [\r\n    1\r\n  ]\r\n}'}
    decide(browser, approval, **sent)
    assert (approval.status, approval.was_edited) == ("approved", True)
    assert approval.arguments == {"path": "/tmp/safe.txt", "content": "one\ntwo", "extra": [1]}
    assert "edited" in browser.get(INBOX).content.decode()


def test_what_is_no_property_is_edited_as_json(browser: Client, waiting: Waiting) -> None:
    approval = waiting({"path": "/a", "content": "b", "extra": 1})
    answer = decide(browser, approval, **fields(path="/a", content="b"), **{"argument-further": "[1]"})
    assert (answer.status_code, approval.status) == (422, "waiting")
    assert "This must be an object" in answer.content.decode()
    decide(browser, approval, **fields(path="/a", content="b"), **{"argument-further": '{"other": 2}'})
    assert approval.arguments == {"path": "/a", "content": "b", "other": 2}


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"path": ""}, "This is required."), ({"mode": "shred"}, "Select a valid choice"), ({"content": "a ••••••"}, "Write it out")],
)
def test_edited_arguments_that_do_not_fit(browser: Client, waiting: Waiting, changes: dict[str, str], told: str) -> None:
    approval = waiting()
    answer = decide(browser, approval, **fields(**changes))
    assert (answer.status_code, approval.status, approval.was_edited) == (422, "waiting", False)
    page = answer.content.decode()
    assert told in page
    assert "Nothing is decided" not in page
    assert "one\r\ntwo" in page or "a ••••••" in page, "what was typed is there still"


def test_enter_only_checks(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    answer = decide(browser, approval, "check", **fields(path="/other"))
    assert (answer.status_code, approval.status) == (200, "waiting")
    assert "Nothing is decided yet" in answer.content.decode()
    page = browser.get(f"{INBOX}{approval.pk}/").content.decode()
    assert page.index('value="check"') < page.index('value="approve"'), "the first button is what Enter in a field presses"
    assert decide(browser, approval, "check", **fields(path="")).status_code == 422


def test_for_a_while(browser: Client, waiting: Waiting, files: McpServer) -> None:
    decide(browser, waiting(), remember="900", **fields())
    standing = StandingApproval.objects.get()
    assert (standing.server, standing.tool_name, standing.digest) == (files, "write_file", "d" * 64)
    assert timedelta(minutes=14) < standing.expires_at - timezone.now() <= timedelta(minutes=15)


def test_for_longer_than_there_is(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    answer = decide(browser, approval, remember="99999999", **fields())
    assert (answer.status_code, approval.status) == (422, "waiting")
    assert "Choose from the list" in answer.content.decode()


def test_refuse_with_a_note(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    decide(browser, approval, "refuse", note=" Not on a Monday. ")
    approval.call.refresh_from_db()
    assert (approval.status, approval.note, approval.call.status) == ("refused", "Not on a Monday.", "refused")
    assert "Not on a Monday." in browser.get(f"{INBOX}{approval.pk}/").content.decode()
    assert approval.arguments is None


def test_a_second_decision_is_told_of_the_first(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    decide(browser, approval, "refuse")
    answer = decide(browser, approval, **fields(path="/other"))
    assert (answer.status_code, approval.status) == (409, "refused")
    assert "decided already" in answer.content.decode()
    toast = browser.post(f"{INBOX}{approval.pk}/", {"decision": "approve"}, headers={"HX-Request": "true"}).content.decode()
    assert "decided already" in toast
    assert decide(browser, approval, "check")["Location"] == f"{INBOX}{approval.pk}/"
    assert approval.status == "refused"


def test_too_late(browser: Client, waiting: Waiting) -> None:
    approval = waiting(expires_at=timezone.now() - timedelta(seconds=1))
    assert decide(browser, approval).status_code == 409
    page = browser.get(f"{INBOX}{approval.pk}/").content.decode()
    assert ("Nobody decided in time" in page, 'id="approve-form"' in page) == (True, False)


def test_secrets_are_not_shown_and_survive(browser: Client, waiting: Waiting) -> None:
    given = {"path": "/srv/canary-4711", "content": "plain", "token": "typed-secret"}
    approval = waiting(given)
    for path in (INBOX, f"{INBOX}{approval.pk}/"):
        page = browser.get(path).content.decode()
        assert ("canary-4711" in page, "typed-secret" in page, "••••••" in page) == (False, False, True), path
    decide(browser, approval, **fields(path="/srv/••••••", content="other"))
    assert approval.arguments == {**given, "content": "other"}


def test_a_tool_that_was_changed_since(browser: Client, waiting: Waiting) -> None:
    approval = waiting()
    Tool.objects.filter(name="write_file").update(digest="e" * 64)
    answer = browser.get(f"{INBOX}{approval.pk}/")
    assert list(answer.context["form"].fields) == ["further"], "without its definition there is only JSON"
    assert "not known any more" in answer.content.decode()


@pytest.mark.parametrize(
    "arguments",
    [{}, {"path": None}, {"path": {"deep": [1]}, "content": 7}, {"further": 1, "mode": True}, {"path": "two\nlines\r\n", "token": "x"}],
)
def test_odd_arguments_are_shown_and_stay(browser: Client, waiting: Waiting, arguments: dict[str, Any]) -> None:
    approval = waiting(arguments)
    form = browser.get(f"{INBOX}{approval.pk}/").context["form"]
    sent = {f"argument-{name}": text for name, text in as_sent(form).items()}
    decide(browser, approval, edits="1", **sent)
    assert (approval.status, approval.was_edited, approval.arguments) == ("approved", False, arguments)


def test_of_somebody_else_there_is_nothing(waiting: Waiting, stranger: User) -> None:
    approval = waiting()
    client = Client()
    client.force_login(stranger)
    assert client.get(f"{INBOX}{approval.pk}/").status_code == 404
    for decision in ("approve", "refuse", "check", ""):
        assert client.post(f"{INBOX}{approval.pk}/", {"decision": decision}).status_code == 404
    approval.refresh_from_db()
    assert approval.status == "waiting"
    assert "write_file" not in client.get(INBOX).content.decode()
    assert "approvals-count" in client.get(INBOX).content.decode()
