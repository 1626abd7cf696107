"""Calls that wait for their owner, as outside clients see it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from agents.approvals.deciding import Verdict, decide
from agents.models import Approval, Grant
from gateway import approving
from tests.dtma.agent import eventually
from tests.dtma.mcp_raw import Raw, Visitor, text_of
from tests.gateway.conftest import Place, receipts

OLDER = "/mcp/helper/older"
BY_URL = {"elicitation": {"url": {}}}


@pytest.fixture(params=["/mcp/helper/older", "/mcp/helper"])
def path(request: pytest.FixtureRequest) -> str:
    """Either address."""
    return str(request.param)


def named(path: str, tool: str) -> str:
    return tool if path == OLDER else f"older__{tool}"


async def asked(place: Place, count: int = 1) -> Approval:
    """The newest approval that waits."""

    async def found() -> Approval | None:
        waiting = await place.do(lambda: list(Approval.objects.filter(status="waiting")))
        return waiting[0] if len(waiting) == count else None

    found_one = await eventually(found)
    assert found_one is not None
    return found_one


async def say(place: Place, approval: Approval, verdict: str, **more: Any) -> None:
    await place.do(lambda: decide(owner=place.owner, approval_id=approval.pk, verdict=Verdict(verdict), **more))


async def test_by_a_result_that_points_to_the_page(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    await place.change("older", approval=Grant.Approval.ALWAYS)
    visitor = Visitor(http, path, BY_URL)
    tool = named(path, "length")
    first = (await visitor.call(tool, {"text": "four"}))["result"]
    assert first["resultType"] == "input_required"
    approval = await asked(place)
    question = first["inputRequests"]["approval"]
    assert (question["method"], question["params"]["mode"]) == ("elicitation/create", "url")
    assert question["params"]["url"].endswith(f"/approvals/{approval.pk}/")
    again = {"inputResponses": {"approval": {"action": "accept"}}, "requestState": first["requestState"]}
    call = asyncio.create_task(visitor.call(tool, {"text": "four"}, **again))
    await say(place, approval, "approve")
    assert text_of(await call) == "4"
    (receipt,) = await receipts()
    assert receipt.status == "succeeded"
    assert receipt.approval_ms is not None


async def test_by_a_question_on_the_open_stream(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    await place.change("older", approval=Grant.Approval.ALWAYS)
    raw = await Raw(http, path).begin(BY_URL)
    async with raw.open("tools/call", {"name": named(path, "length"), "arguments": {"text": "four"}}) as answer:
        question = await answer.next()
        approval = await asked(place)
        assert question["method"] == "elicitation/create"
        assert question["params"]["elicitationId"] == str(approval.pk)
        assert await raw.post({"id": question["id"], "result": {"action": "accept"}}) == 202
        await say(place, approval, "approve", arguments={"text": "edited"})
        assert text_of(await answer.response()) == "6"


async def test_by_progress_while_it_waits(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    await place.change("older", approval=Grant.Approval.ALWAYS)
    raw = await Raw(http, path).begin()
    async with raw.calling(named(path, "length"), text="four") as answer:
        progress = await answer.next()
        approval = await asked(place)
        assert progress["params"]["progressToken"] == "mine"
        assert f"/approvals/{approval.pk}/" in progress["params"]["message"]
        await say(place, approval, "refuse", note="Not today")
        result = (await answer.response())["result"]
    assert result["isError"]
    assert "Not today" in result["content"][0]["text"]
    assert result["_meta"]["io.agentopia/error"]["code"] == "approval_refused"


async def test_by_an_error_that_says_where(http: aiohttp.ClientSession, place: Place, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approving, "SILENT_SECONDS", 0.2)
    await place.change("older", approval=Grant.Approval.ALWAYS)
    for client in (await Raw(http, path).begin(), Visitor(http, path)):
        params = {"name": named(path, "length"), "arguments": {"text": "four"}}
        result = (await client.request("tools/call", params))["result"]
        approval = await asked(place)
        assert result["isError"]
        assert f"/approvals/{approval.pk}/" in result["content"][0]["text"]
        assert result["_meta"]["io.agentopia/error"] == {"code": "approval_pending", "retryable": True}
        await say(place, approval, "approve")
        assert text_of(await client.request("tools/call", params)) == "4"  # the same call again goes on with it
        again = (await client.request("tools/call", params))["result"]  # and once alone
        assert again["isError"]
        await say(place, await asked(place), "refuse")


async def test_who_cancels_withdraws(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    await place.change("older", approval=Grant.Approval.ALWAYS)
    raw = await Raw(http, path).begin()
    async with raw.calling(named(path, "length"), text="four") as answer:
        await answer.next()
        approval = await asked(place)
        await raw.post({"method": "notifications/cancelled", "params": {"requestId": 2}})
        assert [message async for message in answer.messages() if "id" in message] == []
    (receipt,) = await receipts()
    assert receipt.status == "cancelled"
    await place.do(approval.refresh_from_db)
    assert approval.status == "withdrawn"


async def test_one_approval_is_for_all_rounds_of_a_call(http: aiohttp.ClientSession, place: Place) -> None:
    await place.change("newer", approval=Grant.Approval.ALWAYS)
    visitor = Visitor(http, "/mcp/helper/newer", {"elicitation": {"url": {}, "form": {}}, "sampling": {}})
    first = (await visitor.call("quiz"))["result"]
    approval = await asked(place)
    await say(place, approval, "approve")
    second = (await visitor.call("quiz", requestState=first["requestState"], inputResponses={"approval": {"action": "accept"}}))["result"]
    assert set(second["inputRequests"]) == {"word", "and"}
    third = (await visitor.call("quiz", requestState=second["requestState"], inputResponses={"word": {}, "and": {}}))["result"]
    assert set(third["inputRequests"]) == {"last"}
    fourth = await visitor.call("quiz", requestState=third["requestState"], inputResponses={"last": {}})
    assert "last" in text_of(fourth)
    assert [receipt.status for receipt in await receipts(at_least=3)] == ["succeeded"] * 3
