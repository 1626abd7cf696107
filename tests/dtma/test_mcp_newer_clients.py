"""Clients of MCP 2026-07-28 on a server that knows 2025-11-25 alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import mcp_types as t
from mcp.client import ClientRequestContext

from tests.dtma.agent import Agent, eventually, sdk_client
from tests.dtma.mcp_raw import REPLY, RESERVED, STATELESS, Raw, Visitor, path_of, text_of

ASKED = {"elicitation": {}, "sampling": {}, "roots": {}}
WORD = {"action": "accept", "content": {"word": "yes"}}


async def parked(visitor: Visitor, tool: str = "quiz", **arguments: Any) -> dict[str, Any]:
    """A call that the server wants to know something for."""
    result: dict[str, Any] = (await visitor.call(tool, arguments))["result"]
    assert result["resultType"] == "input_required"
    return result


async def test_the_sdk_is_asked_and_the_call_goes_on(agent: Agent, older: str) -> None:
    async def elicit(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert params.message == "A word?"
        return t.ElicitResult(action="accept", content={"word": "yes"})

    async def sample(context: ClientRequestContext, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
        return t.CreateMessageResult(role="assistant", content=t.TextContent(type="text", text="indeed"), model="m")

    heard: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(done)

    async with sdk_client(agent, older, mode=STATELESS, elicitation_callback=elicit, sampling_callback=sample) as sdk:
        result = await sdk.call_tool("quiz", {}, progress_callback=progress)
    assert isinstance(result.content[0], t.TextContent)
    word, reply = json.loads(result.content[0].text)
    assert word["result"] == WORD
    assert reply["result"]["content"]["text"] == "indeed"
    assert heard == [1, 2]


async def test_what_the_server_said_of_itself_is_discovered(http: aiohttp.ClientSession, older: str) -> None:
    found = (await Visitor(http, path_of(older)).request("server/discover"))["result"]
    assert found["supportedVersions"] == [STATELESS]
    assert found["capabilities"]["x-unknown"] == {}
    assert found["instructions"] == "Be kind."
    assert found["_meta"][RESERVED + "serverInfo"]["name"] == "older"
    assert (found["resultType"], found["ttlMs"], found["cacheScope"]) == ("complete", 0, "private")


async def test_results_get_what_the_era_asks_for_and_keep_what_it_does_not_know(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older))
    listed = (await visitor.request("tools/list"))["result"]
    assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == ("complete", 0, "private")
    assert listed["tools"][0]["x-unknown"] == {"kept": True}
    called = await visitor.call("request", {"a": 1}, **{"x-unknown": 2, "_meta": {"x-unknown": 3}})
    assert called["result"]["resultType"] == "complete"
    assert called["result"]["x-unknown"] == {"kept": True}
    assert "ttlMs" not in called["result"]
    # The server sees a request of its own era, unknown fields and all.
    seen = json.loads(text_of(called))["params"]
    assert seen == {"name": "request", "arguments": {"a": 1}, "x-unknown": 2, "_meta": {"x-unknown": 3}}


async def test_an_error_of_the_older_era_becomes_one_of_the_newer(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older))
    async with visitor.open("resources/read", {"uri": "test://nothing"}) as answer:
        assert answer.status == 400
        assert (await answer.response())["error"]["code"] == -32602
    async with visitor.open("x-unknown/method") as answer:
        assert answer.status == 404
        assert (await answer.response())["error"]["code"] == -32601
    for gone in ("initialize", "ping", "logging/setLevel", "resources/subscribe"):
        async with visitor.open(gone) as answer:
            assert (answer.status, (await answer.response())["error"]["code"]) == (404, -32601)


async def test_an_answer_that_is_missing_is_asked_for_again(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older), ASKED)
    first = await parked(visitor)
    ((name, question),) = first["inputRequests"].items()
    assert question["params"]["requestedSchema"]["required"] == ["word"]
    again = await visitor.call("quiz", requestState=first["requestState"], inputResponses={"x": WORD})
    assert again["result"]["inputRequests"] == first["inputRequests"]
    state = again["result"]["requestState"]
    assert state != first["requestState"]
    second = (await visitor.call("quiz", requestState=state, inputResponses={name: WORD}))["result"]
    ((name, question),) = second["inputRequests"].items()
    assert question["method"] == "sampling/createMessage"
    assert question["params"]["x-unknown"] == [1]
    last = await visitor.call("quiz", requestState=second["requestState"], inputResponses={name: REPLY})
    assert [answer["result"] for answer in json.loads(text_of(last))] == [WORD, REPLY]


async def test_a_request_state_is_good_for_its_own_request_once(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older), ASKED)
    result = await parked(visitor, "consult", text="a")
    state, ((name, _),) = result["requestState"], result["inputRequests"].items()
    answers = {"inputResponses": {name: REPLY}}
    stranger = Visitor(http, path_of(older), ASKED, name="somebody else")
    for response in (
        await visitor.call("consult", {"text": "a"}, requestState=state[:-1] + ("A" if state[-1] != "A" else "B"), **answers),
        await visitor.call("consult", {"text": "b"}, requestState=state, **answers),
        await visitor.call("quiz", {"text": "a"}, requestState=state, **answers),
        await stranger.call("consult", {"text": "a"}, requestState=state, **answers),
        await visitor.call("consult", {"text": "a"}, requestState={"x": state}, **answers),
    ):
        assert response["error"]["code"] == -32602
    # None of them has taken it from its owner.
    right = await visitor.call("consult", {"text": "a"}, requestState=state, **answers)
    assert json.loads(text_of(right))["result"] == REPLY
    replayed = await visitor.call("consult", {"text": "a"}, requestState=state, **answers)
    assert replayed["error"]["code"] == -32602
    assert replayed["error"]["data"] == {"reason": "invalid_request_state"}


async def test_a_client_without_the_capability_is_not_asked(http: aiohttp.ClientSession, older: str) -> None:
    response = await Visitor(http, path_of(older), {"elicitation": {}}).call("consult", {"text": "a"})
    assert json.loads(text_of(response))["error"]["code"] == -32601


async def test_logs_come_to_who_asked_for_them(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older))

    async def heard(level: str | None) -> list[str]:
        meta = {} if level is None else {"_meta": {RESERVED + "logLevel": level}}
        async with visitor.open("tools/call", {"name": "narrate", "arguments": {"text": "it"}, **meta}) as answer:
            return [message["params"]["data"] async for message in answer.messages() if "method" in message]

    assert await heard(None) == []
    assert await heard("info") == ["it info", "it error"]
    assert await heard("error") == ["it error"]
    assert json.loads(text_of(await visitor.call("seen")))["level"] == "error"


async def test_changes_are_heard_on_a_subscription(agent: Agent, http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older))
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["test://a", "test://forbidden"]}
    async with visitor.open("subscriptions/listen", {"notifications": wanted}) as answer:
        acknowledged = await answer.next()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        # The server has no prompts, and does not let everything be watched.
        assert acknowledged["params"]["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
        assert json.loads(text_of(await visitor.call("seen")))["watched"] == ["test://a"]
        await visitor.call("touch", {"uri": "test://b"})
        await visitor.call("touch", {"uri": "test://a"})
        updated = await answer.next()
        assert updated["params"] == {"uri": "test://a", "x-unknown": 1, "_meta": {RESERVED + "subscriptionId": 1}}
        await visitor.call("grow")
        assert (await answer.next())["method"] == "notifications/tools/list_changed"

    async def forgotten() -> bool:
        return json.loads(text_of(await visitor.call("seen")))["watched"] == []

    await eventually(forgotten)


async def test_leaving_cancels_the_call_on_the_server(http: aiohttp.ClientSession, older: str) -> None:
    visitor = Visitor(http, path_of(older))
    meta = {"progressToken": "t"}
    async with visitor.open("tools/call", {"name": "hold", "arguments": {"gate": "g"}, "_meta": meta}) as answer:
        assert (await answer.next())["params"] == {"progressToken": "t", "progress": 1, "total": 3, "x-unknown": 1}

    async def told() -> bool:
        said = json.loads(text_of(await visitor.call("seen")))["notifications"]
        return "notifications/cancelled" in [message["method"] for message in said]

    await eventually(told)


async def test_both_eras_share_one_server(http: aiohttp.ClientSession, older: str) -> None:
    session = await Raw(http, path_of(older)).begin()
    visitor = Visitor(http, path_of(older))
    texts = await asyncio.gather(*(one for n in range(20) for one in (session.call("length", text="x" * n), _length(visitor, n + 100))))
    assert texts == [str(length) for n in range(20) for length in (n, n + 100)]


async def _length(visitor: Visitor, size: int) -> str:
    return text_of(await visitor.call("length", {"text": "x" * size}))
