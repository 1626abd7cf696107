"""Servers on a real DTMA ask in the middle of an agent's call: within limits of their own, and with a receipt that knows of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async

from agentopia.lib.errors import AgentopiaError
from agents.calling.errors import CallFailed
from agents.calling.own import AgentOutcome
from agents.calling.questions import ELICITATION, MOST_OF_A_CALL, SAMPLING, OnQuestion, Questions
from agents.calling.types import Caller
from agents.models import ToolCall
from agents.services import call_as_agent
from dtma_client import McpError
from tests.dtma.mcp_raw import REPLY
from tests.gateway.conftest import Place, engine, host, image, place
from toolboxes.dtma import pooled_connections

__all__ = ["engine", "host", "image", "place"]

CONVERSATION = uuid4()


async def call(place: Place, name: str, arguments: dict[str, Any], on_question: OnQuestion | None, run: UUID | None = None) -> AgentOutcome:
    caller = Caller(place.owner.pk, ToolCall.Via.CHAT, run=run or uuid4())
    return await call_as_agent(
        caller=caller, agent_id=place.agent.pk, name=name, arguments=arguments, on_question=on_question, session=CONVERSATION
    )


def said(outcome: AgentOutcome) -> Any:
    return json.loads(outcome.result["content"][0]["text"])


async def receipt_of(call_id: UUID) -> ToolCall:
    return await database_sync_to_async(ToolCall.objects.get)(pk=call_id)


async def answers(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return REPLY if method == SAMPLING else {"action": "accept", "content": {"word": "blue"}}


class Silent:
    """Somebody who never answers."""

    def __init__(self) -> None:
        self.asked, self.was_withdrawn = asyncio.Event(), False

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.was_withdrawn = True
        raise AssertionError


async def test_servers_of_both_eras_are_answered(place: Place) -> None:
    async with pooled_connections():
        word, sampled = said(await call(place, "older__quiz", {}, answers))
        first, last = said(await call(place, "newer__quiz", {}, answers))
    assert (word["result"]["content"], sampled["result"]) == ({"word": "blue"}, REPLY)
    assert (first["word"]["content"], first["and"], last["last"]["content"]) == ({"word": "blue"}, REPLY, {"word": "blue"})


async def test_a_loop_that_pools_nothing_can_be_asked_too(place: Place) -> None:
    assert said(await call(place, "older__quiz", {}, answers))[1]["result"] == REPLY


async def test_only_who_answers_is_asked(place: Place) -> None:
    async with pooled_connections():
        assert said(await call(place, "older__consult", {"text": "x"}, answers))["result"] == REPLY
        assert said(await call(place, "older__consult", {"text": "x"}, None))["error"]["code"] == -32601
        declared = said(await call(place, "older__seen", {}, None))["initialize"]["capabilities"]
    assert "elicitation" in declared  # by DTMA, for whichever client answers


async def test_the_receipt_waits_with_the_person(place: Place, settings: Any) -> None:
    settings.TOOL_CALL_TIMEOUT_SECONDS = 1
    silent, go = Silent(), asyncio.Event()

    async def slow(method: str, params: dict[str, Any]) -> dict[str, Any]:
        silent.asked.set()
        await go.wait()
        return REPLY

    async with pooled_connections():
        calling = asyncio.create_task(call(place, "older__consult", {"text": "x"}, slow))
        await asyncio.wait_for(silent.asked.wait(), 20)
        receipt = await database_sync_to_async(ToolCall.objects.get)(ended_at=None)
        assert receipt.deadline is not None
        assert (receipt.deadline - receipt.created_at).total_seconds() > settings.QUESTION_SECONDS
        await asyncio.sleep(1.2)  # more than the call itself may take
        go.set()
        outcome = await calling
    assert said(outcome)["result"] == REPLY
    assert (await receipt_of(outcome.receipt_id)).status == ToolCall.Status.SUCCEEDED


async def test_nobody_is_waited_for_for_ever(place: Place, settings: Any) -> None:
    settings.QUESTION_SECONDS = 0.3
    silent = Silent()
    async with pooled_connections():
        outcome = await call(place, "older__quiz", {}, silent.answer)
    word, sampled = said(outcome)
    assert word["result"] == {"action": "cancel"}
    assert sampled["error"]["message"] == "There was no answer in time."
    assert silent.was_withdrawn


async def test_stopping_the_call_withdraws_the_question(place: Place) -> None:
    silent = Silent()
    async with pooled_connections():
        calling = asyncio.create_task(call(place, "older__consult", {"text": "x"}, silent.answer))
        await asyncio.wait_for(silent.asked.wait(), 20)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert silent.was_withdrawn
        assert said(await call(place, "older__consult", {"text": "x"}, answers))["result"] == REPLY
    statuses = await database_sync_to_async(lambda: sorted(ToolCall.objects.values_list("status", flat=True)))()
    assert statuses == ["cancelled", "succeeded"]


async def test_why_there_is_no_answer_is_told_to_the_server(place: Place) -> None:
    async def refuses(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise AgentopiaError("That was enough.")

    async with pooled_connections():
        assert said(await call(place, "older__consult", {"text": "x"}, refuses))["error"]["message"] == "That was enough."


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "url", "message": "Go", "url": "javascript:alert(1)", "elicitationId": "x"},
        {"mode": "url", "message": "Go", "elicitationId": "x"},
        {"mode": "form", "message": "Say"},
        {"message": "Say", "requestedSchema": {"type": "object", "properties": {"a": "b"}}},
        {"message": "Say" * 50_000, "requestedSchema": {"type": "object", "properties": {}}},
    ],
)
async def test_what_cannot_be_shown_to_a_person_is_refused(transactional_db: None, params: dict[str, Any]) -> None:
    with pytest.raises(McpError) as refused:
        await Questions(uuid4(), answers).answer(ELICITATION, params)
    assert refused.value.rpc_code == -32602


async def test_a_call_cannot_ask_without_end(transactional_db: None) -> None:
    questions = Questions(uuid4(), answers)
    for _ in range(MOST_OF_A_CALL):
        assert await questions.answer(SAMPLING, {}) == REPLY
    with pytest.raises(McpError, match="20 times"):
        await questions.answer(SAMPLING, {})
    assert await questions.answer("roots/list", {}) is None


async def test_a_call_that_wants_its_user_elsewhere_is_made_again_after_that(place: Place) -> None:
    asked: list[dict[str, Any]] = []

    def user(action: str) -> OnQuestion:
        async def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
            assert method == ELICITATION
            asked.append(params)
            return {"action": action}

        return answer

    async with pooled_connections():
        with pytest.raises(CallFailed, match="Sign in first"):
            await call(place, "older__gated", {"door": "one"}, user("decline"))
        outcome = await call(place, "older__gated", {"door": "two"}, user("accept"))
    assert outcome.result["content"][0]["text"] == "inside"
    assert asked == 2 * [{"mode": "url", "elicitationId": "door", "url": "https://example.org/door", "message": "Sign in"}]
