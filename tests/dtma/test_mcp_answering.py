"""Our own client answers what servers ask in the middle of a call: beside other calls, within limits, and only where it is offered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dtma_client import DtmaClient, DtmaTimeout, McpError
from tests.dtma.agent import eventually, ready, spec_of
from tests.dtma.mcp_raw import REPLY

ELICITATION, SAMPLING = "elicitation/create", "sampling/createMessage"


class User:
    """Answers each question at once with what it was told, and remembers them."""

    def __init__(self, word: str = "yes") -> None:
        self.word = word
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append((method, params))
        return REPLY if method == SAMPLING else {"action": "accept", "content": {"word": self.word}}


class Slow:
    """Somebody who does not answer before being told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.left = False

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        return REPLY


def said(result: dict[str, Any]) -> Any:
    return json.loads(result["content"][0]["text"])


async def nothing(progress: float, total: float | None, message: str) -> None:
    return None


async def test_both_kinds_of_question_are_answered_on_the_way(client: DtmaClient, older: str) -> None:
    user, steps = User("blue"), []

    async def hear(progress: float, total: float | None, message: str) -> None:
        steps.append(progress)

    word, sampled = said(await client.answering(older, "a").call_tool("quiz", {}, 20, hear, user.answer))
    assert word["result"] == {"action": "accept", "content": {"word": "blue"}}
    assert sampled["result"] == REPLY
    assert steps == [1, 2]
    assert [method for method, _ in user.asked] == [ELICITATION, SAMPLING]
    assert user.asked[0][1]["requestedSchema"]["required"] == ["word"]


async def test_a_server_of_the_newer_era_asks_the_same_way(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "newer"))
    user = User("blue")
    first, last = said(await client.answering(server_id, "a").call_tool("quiz", {}, 20, on_question=user.answer))
    assert first["word"] == {"action": "accept", "content": {"word": "blue"}}
    assert first["and"]["content"]["text"] == "indeed"
    assert last["last"]["content"] == {"word": "blue"}


async def test_without_anybody_to_ask_the_server_is_told_so(client: DtmaClient, older: str) -> None:
    shared = said(await client.mcp(older).call_tool("consult", {"text": "why"}, 20))
    assert shared["error"]["code"] == -32601
    unasked = said(await client.answering(older, "a").call_tool("consult", {"text": "why"}, 20))
    assert unasked["error"]["code"] == -32601

    async def offers_nothing(method: str, params: dict[str, Any]) -> None:
        return None

    refused = said(await client.answering(older, "a").call_tool("consult", {"text": "why"}, 20, on_question=offers_nothing))
    assert refused["error"]["message"] == "sampling/createMessage is not offered here."


async def test_sessions_with_and_without_answers_are_apart(client: DtmaClient, older: str) -> None:
    assert client.mcp(older) is client.mcp(older)
    assert client.answering(older, "a") is client.answering(older, "a")
    assert len({id(client.mcp(older)), id(client.answering(older, "a")), id(client.answering(older, "b"))}) == 3


async def test_a_person_who_takes_long_does_not_use_up_the_calls_time(client: DtmaClient, older: str) -> None:
    user = Slow()
    session = client.answering(older, "a")
    await session.initialize()
    calling = asyncio.create_task(session.call_tool("consult", {"text": "why"}, 1.0, on_question=user.answer))
    await asyncio.wait_for(user.asked.wait(), 10)
    await asyncio.sleep(1.5)  # more than the whole call may take
    user.go.set()
    assert said(await calling)["result"] == REPLY


async def test_the_servers_own_time_is_limited_before_and_after(client: DtmaClient, older: str) -> None:
    session = client.answering(older, "a")
    arguments = {"gate": "never", "method": SAMPLING}
    with pytest.raises(DtmaTimeout, match="within 1 s"):
        await session.call_tool("patient", arguments, 1.0, nothing, User().answer)


async def test_stopping_the_call_withdraws_its_question(client: DtmaClient, older: str) -> None:
    user = Slow()
    session = client.answering(older, "a")
    calling = asyncio.create_task(session.call_tool("consult", {"text": "why"}, 20, on_question=user.answer))
    await asyncio.wait_for(user.asked.wait(), 10)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert user.left

    async def server_heard() -> bool:
        seen = said(await client.mcp(older).call_tool("seen", {}, 20))
        return any(each["method"] == "notifications/cancelled" for each in seen["notifications"])

    await eventually(server_heard)
    assert said(await session.call_tool("consult", {"text": "again"}, 20, on_question=User().answer))["result"] == REPLY


async def test_what_cannot_be_answered_is_an_error_for_the_server(client: DtmaClient, older: str) -> None:
    async def refuses(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise McpError(-1, "The user says no.")

    async def breaks(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    session = client.answering(older, "a")
    assert said(await session.call_tool("consult", {"text": "x"}, 20, on_question=refuses))["error"] == {
        "code": -1,
        "message": "The user says no.",
    }
    assert said(await session.call_tool("consult", {"text": "x"}, 20, on_question=breaks))["error"]["code"] == -32603


async def test_calls_of_two_that_are_asked_do_not_get_each_others_questions(client: DtmaClient, older: str) -> None:
    one, two = User("one"), User("two")
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(client.answering(older, user.word).call_tool("quiz", {}, 30, on_question=user.answer)) for user in (one, two)
        ]
    words = [said(call.result())[0] for call in calls]
    # The first time that a server asks while two calls are open nobody can tell which of them asks: it is told so, and they run alone then.
    for word, user in zip(words, (one, two), strict=True):
        assert word.get("error", {}).get("code") == -32000 or word["result"]["content"] == {"word": user.word}
    again = said(await client.answering(older, "one").call_tool("quiz", {}, 30, on_question=one.answer))
    assert again[0]["result"]["content"] == {"word": "one"}


async def test_a_session_that_dtma_forgot_is_begun_anew(client: DtmaClient, older: str) -> None:
    session = client.answering(older, "a")
    assert said(await session.call_tool("consult", {"text": "x"}, 20, on_question=User().answer))["result"] == REPLY
    await client.restart(older)
    assert said(await session.call_tool("consult", {"text": "x"}, 20, on_question=User().answer))["result"] == REPLY
    await session.aclose()
    assert said(await session.call_tool("consult", {"text": "x"}, 20, on_question=User().answer))["result"] == REPLY
