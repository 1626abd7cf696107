"""The pages of receipts: the list with its filters and places, one receipt, a run, the export."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, ToolCall
from agents.receipts_pages import export, pages, selectors
from agents.receipts_pages.query import CallQuery
from mcp_registry.models import McpServer
from tests.agents.receipts.conftest import Receipt

PAGE = "/calls/"


def listed(browser: Client, **filters: str) -> list[str]:
    """The tools of the calls that the page lists, newest first."""
    answer = browser.get(PAGE, filters)
    assert answer.status_code == 200
    return [call.tool_name for call in answer.context["page"].calls]


def exported(browser: Client, **filters: str) -> str:
    answer = browser.get(f"{PAGE}export/", filters)
    assert isinstance(answer, StreamingHttpResponse)

    async def read() -> bytes:
        return b"".join([part async for part in answer])

    return async_to_sync(read)().decode()


def test_an_empty_list_says_what_to_do(browser: Client) -> None:
    assert "Nothing was called yet" in browser.get(PAGE).content.decode()
    assert "No receipt matches" in browser.get(PAGE, {"status": "failed"}).content.decode()


def test_one_sees_ones_own_calls(browser: Client, stranger: User, receipt: Receipt) -> None:
    receipt(tool_name="mine")
    receipt(tool_name="theirs", user=stranger)
    assert listed(browser) == ["mine"]


def test_filters(browser: Client, receipt: Receipt, agent: Agent, files: McpServer) -> None:
    run = uuid4()
    receipt(tool_name="one", via="api", token_id=7, token_name="nightly")
    receipt(tool_name="two", status="failed", error_message="The toolbox 100 % away.", run=run)
    receipt(tool_name="three", status="refused", agent=agent, agent_name=agent.name)
    receipt(tool_name="four", status="cancelled", server=files, server_name="other", client="claude-code 2.1")
    assert listed(browser) == ["four", "three", "two", "one"]
    assert listed(browser, status="failed") == ["two"]
    assert listed(browser, status="problems") == ["four", "three", "two"]
    assert listed(browser, via="api") == ["one"]
    assert listed(browser, agent="Scribe") == listed(browser, agent=str(agent.pk)) == ["three"]
    assert listed(browser, server="other") == listed(browser, server=str(files.pk)) == ["four"]
    assert listed(browser, tool="one") == ["one"]
    assert listed(browser, token="7") == ["one"]
    assert listed(browser, run=str(run)) == ["two"]
    assert listed(browser, search="CLAUDE") == ["four"]
    assert listed(browser, search="100 % away") == ["two"]
    assert listed(browser, search="fi scr") == ["three"], "each word is somewhere"
    assert listed(browser, search="nightly read") == []


def test_a_time(browser: Client, receipt: Receipt) -> None:
    now = timezone.now()
    for days in (0, 3, 20, 60):
        receipt(tool_name=str(days), created_at=now - timedelta(days=days))
    assert listed(browser, window="day") == ["0"]
    assert listed(browser, window="week") == ["0", "3"]
    assert listed(browser, window="month") == ["0", "3", "20"]
    day = str((now - timedelta(days=3)).date())
    assert listed(browser, since=day) == ["0", "3"]
    assert listed(browser, until=day) == ["3", "20", "60"]
    assert listed(browser, since=day, until=day) == ["3"]


@pytest.mark.parametrize(
    "junk",
    ["before=x", "after=1.2", "before=99999999999999999999." + 32 * "0", "search=%00", "status=odd", "since=2026-13-01",
     "since=0001-01-01", "until=9999-12-31", "token=-1", "run=1", "window=year", "agent=%00", "before=" + "9" * 300],
)  # fmt: skip
def test_junk_in_the_address(browser: Client, receipt: Receipt, junk: str) -> None:
    receipt()
    assert browser.get(f"{PAGE}?{junk}").status_code == 200
    assert browser.get(f"{PAGE}totals/?{junk}").status_code == 200


def test_pages_stay_what_they_are(browser: Client, receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "PER_PAGE", 2)
    same = timezone.now()
    made = [receipt(tool_name=str(number), created_at=same) for number in range(5)]  # the ids alone tell them apart
    order = [call.tool_name for call in sorted(made, key=lambda call: call.pk, reverse=True)]
    first = browser.get(PAGE).context["page"]
    receipt(tool_name="news", created_at=same + timedelta(seconds=1))
    second = browser.get(f"{PAGE}?{first.older}").context["page"]
    last = browser.get(f"{PAGE}?{second.older}").context["page"]
    assert [[call.tool_name for call in page.calls] for page in (first, second, last)] == [order[:2], order[2:4], order[4:]]
    assert (first.newer, last.older) == ("", "")
    back = browser.get(f"{PAGE}?{last.newer}").context["page"]
    assert [call.tool_name for call in back.calls] == order[2:4]
    top = browser.get(f"{PAGE}?{browser.get(f'{PAGE}?{back.newer}').context['page'].newer}").context["page"]
    assert [call.tool_name for call in top.calls] == ["news"]


def test_the_search_gets_the_list_alone(browser: Client, receipt: Receipt) -> None:
    receipt()
    part = browser.get(PAGE, {"status": "succeeded"}, headers={"HX-Request": "true", "HX-Target": "list"}).content.decode()
    assert "<html" not in part
    assert "/calls/export/?as=csv&amp;status=succeeded" in part, "the export follows the filters"


def test_nothing_of_a_call_is_markup(browser: Client, receipt: Receipt) -> None:
    evil = "<script>x"
    call = receipt(
        tool_name=evil, server_name=evil[:20], agent_name=evil, client=evil, error_message=evil, status="failed", run=uuid4(),
        arguments={evil: evil},
        result={"content": [{"type": "text", "text": evil}, {"type": "image", "mimeType": "image/svg+xml", "data": "eA=="}]},
    )  # fmt: skip
    for path in (PAGE, f"{PAGE}{call.pk}/", f"{PAGE}runs/{call.run}/", f"{PAGE}totals/", f"{PAGE}?server={evil}&window=week"):
        page = browser.get(path).content.decode()
        assert evil not in page, path
        assert "&lt;script&gt;x" in page, path


def test_a_receipt(browser: Client, receipt: Receipt, agent: Agent, files: McpServer) -> None:
    call = receipt(
        agent=agent, agent_name="Scribe", server=files, server_name="files", tool_name="write_file", definition_digest="d" * 64, token_id=3,
        token_name="laptop", client="cursor 1", run=uuid4(), cost_shared=True, approval_ms=4200.0,
    )  # fmt: skip
    answer = browser.get(f"{PAGE}{call.pk}/")
    page = " ".join(answer.content.decode().split())
    for text in (
        "/srv/a.txt",
        "the text of it",
        "laptop",
        "cursor 1",
        "4.2 s",
        "0.4 ms",
        "3.5 ms",
        "9.0 ms",
        "4.0 ms",
        "figures are of both",
    ):
        assert text in page, text
    assert [part.key for part in answer.context["parts"]] == ["queue", "approval", "network", "server"]
    assert answer.context["definition"] == "same"
    call.definition_digest = "e" * 64
    call.save()
    assert "changed since" in browser.get(f"{PAGE}{call.pk}/").content.decode()
    files.delete()
    page = browser.get(f"{PAGE}{call.pk}/").content.decode()
    assert (">gone<" in page, "files" in page) == (True, True)


def test_a_refusal_has_no_times_and_says_why(browser: Client, receipt: Receipt) -> None:
    call = receipt(
        status="refused", error_code="tool_not_offered", error_message="It is not offered.", result=None, queue_ms=None, duration_ms=None,
        server_ms=None, server=None,
    )  # fmt: skip
    page = browser.get(f"{PAGE}{call.pk}/").content.decode()
    assert ("It is not offered." in page, "did not get as far" in page) == (True, True)


def test_a_result_that_was_cut_or_is_odd_is_shown(browser: Client, receipt: Receipt) -> None:
    for result in ({"truncated": True, "bytes": 9, "beginning": "{"}, [1], "x", {"content": "x"}, {"content": [{"text": 3}, 7]}):
        assert browser.get(f"{PAGE}{receipt(result=result).pk}/").status_code == 200, result


def test_a_run_is_on_one_axis(browser: Client, receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PER_RUN_PAGE", 2)
    run, begin = uuid4(), timezone.now() - timedelta(minutes=1)
    for second in range(3):
        receipt(
            tool_name=f"step{second}", run=run, created_at=begin + timedelta(seconds=second), ended_at=begin + timedelta(seconds=second + 1)
        )
    answer = browser.get(f"{PAGE}runs/{run}/")
    moments = answer.context["moments"]
    assert [(moment.call.tool_name, moment.x, moment.width) for moment in moments] == [("step0", 0.0, 500.0), ("step1", 500.0, 500.0)]
    rest = browser.get(f"{PAGE}runs/{run}/?after={answer.context['next']}")
    assert [moment.call.tool_name for moment in rest.context["moments"]] == ["step2"]
    assert browser.get(f"{PAGE}runs/{run}/?after=junk").status_code == 200
    assert browser.get(f"{PAGE}runs/{uuid4()}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_export(browser: Client, stranger: User, receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    for number in range(5):
        receipt(tool_name=f"tool{number}", status="failed" if number == 3 else "succeeded", error_message="=1+1" if number == 3 else "")
    receipt(user=stranger, tool_name="theirs")
    lines = [json.loads(line) for line in exported(browser).splitlines()]
    assert [line["tool_name"] for line in lines] == [f"tool{number}" for number in range(5)]
    assert lines[0]["arguments"] == {"path": "/srv/a.txt"}
    assert [json.loads(line)["tool_name"] for line in exported(browser, status="failed").splitlines()] == ["tool3"]
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(exported(browser, **{"as": "csv"}))))
    assert [row["tool_name"] for row in rows] == [line["tool_name"] for line in lines]
    assert rows[3]["error_message"] == "'=1+1", "a spreadsheet is not to compute it"
    assert json.loads(rows[0]["arguments"]) == {"path": "/srv/a.txt"}


@pytest.mark.parametrize("path", ["{call}/", "runs/{run}/"])
def test_of_somebody_else_there_is_nothing(receipt: Receipt, stranger: User, path: str) -> None:
    call = receipt(run=uuid4())
    client = Client()
    client.force_login(stranger)
    assert client.get(PAGE + path.format(call=call.pk, run=call.run)).status_code == 404
    assert str(call.pk) not in client.get(PAGE, {"run": str(call.run)}).content.decode()
    assert ToolCall.objects.count() == 1


def test_parsing_keeps_what_can_be_used() -> None:
    query = CallQuery.parse({"status": "failed", "via": "smoke", "since": "2026-05-01", "server": " files ", "before": "x"})
    assert query.encoded == "status=failed&server=files&since=2026-05-01"
    assert query.chosen == [("server", "files", "status=failed&since=2026-05-01")]
