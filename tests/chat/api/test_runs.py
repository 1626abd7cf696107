"""REST: runs are read, with their steps and what waits in them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from agents.models import Agent
from chat.models import Attachment, Conversation, Run, Step
from tests.chat.api.conftest import Send
from tests.chat.conftest import MakeRun, asked_in, step_in, waiting_approval


def test_a_run_with_its_steps(send: Send, run: Run) -> None:
    step = step_in(run, receipt_id=uuid4(), is_cut=True)
    status, told = send("GET", f"/api/v1/runs/{run.pk}/")
    assert (status, told["id"], told["status"], told["text"]) == (200, str(run.pk), "running", "What is the weather?")
    assert (told["stopping"], told["questions"], told["attachments"], told["context"], told["cost_usd"]) == (False, [], [], None, None)
    assert "messages" not in told
    (shown,) = told["steps"]
    assert (shown["id"], shown["receipt"], shown["arguments"], shown["status"], shown["is_cut"], shown["approval"]) == (
        str(step.pk), str(step.receipt_id), {"path": "/tmp/a"}, "succeeded", True, None,
    )  # fmt: skip


def test_a_step_that_waits_says_where_it_is_decided(send: Send, user: User, agent: Agent, run: Run) -> None:
    approval = waiting_approval(user, agent, run)
    step_in(run, status=Step.Status.APPROVAL, approval_id=approval.pk, result=None)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.WAITING)
    (step,) = send("GET", f"/api/v1/runs/{run.pk}/")[1]["steps"]
    assert (step["approval"]["status"], step["approval"]["call"]) == ("waiting", str(approval.call_id))
    status, told = send("POST", step["approval"]["refuse"], {"note": "No."})
    assert (status, told["approval"]["status"]) == (200, "refused")
    assert send("GET", f"/api/v1/runs/{run.pk}/")[1]["steps"][0]["approval"]["status"] == "refused"


def test_one_that_was_told_to_stop(send: Send, make_run: MakeRun) -> None:
    now = timezone.now()
    stopping, stopped = make_run(status=Run.Status.RUNNING, cancel_requested_at=now), make_run(status="cancelled", cancel_requested_at=now)
    assert [send("GET", f"/api/v1/runs/{run.pk}/")[1]["stopping"] for run in (stopping, stopped)] == [True, False]


def test_attachments_are_files(send: Send, browser: Client, run: Run) -> None:
    page = b"<script>alert(1)</script>"
    given = Attachment.objects.create(run=run, name='a"b/../c.html', media_type="text/html", size=len(page), content=page)
    (told,) = send("GET", f"/api/v1/runs/{run.pk}/")[1]["attachments"]
    assert told == {"id": str(given.pk), "name": given.name, "media_type": "text/html", "size": len(page), "server": None, "uri": ""}
    answer = browser.get(f"/api/v1/attachments/{given.pk}/")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, page, "application/octet-stream")
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_queries_do_not_grow(send: Send, user: User, agent: Agent, conversation: Conversation, run: Run) -> None:
    counts: list[list[int]] = []
    for _ in range(3):
        for _ in range(3):
            step = step_in(run, status=Step.Status.APPROVAL, approval_id=waiting_approval(user, agent, run).pk)
            asked_in(step)
            Attachment.objects.create(run=run, name="a", media_type="text/plain", size=1, content=b"a")
        of_each = []
        for path in (f"/api/v1/runs/{run.pk}/", "/api/v1/questions/", f"/api/v1/conversations/{conversation.pk}/messages/"):
            with CaptureQueriesContext(connection) as queries:
                assert send("GET", path)[0] == 200
            of_each.append(len(queries))
        counts.append(of_each)
    assert counts[1] == counts[2]
    assert max(counts[2]) <= 8


@pytest.mark.parametrize("path", ["runs/{run}/", "runs/{run}/events/", "attachments/{attachment}/"])
def test_another_users_are_not_there(eves: Send, run: Run, path: str) -> None:
    given = Attachment.objects.create(run=run, name="a", media_type="text/plain", size=1, content=b"a")
    assert eves("GET", f"/api/v1/{path.format(run=run.pk, attachment=given.pk)}")[0] == 404
    assert eves("GET", f"/api/v1/{path.format(run=uuid4(), attachment=uuid4())}")[0] == 404
