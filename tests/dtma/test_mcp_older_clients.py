"""Clients of MCP 2025-11-25 on a server that knows 2026-07-28 alone, and clients of 2026-07-28 on the same server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import mcp_types as t
import pytest
from mcp.client import ClientRequestContext

from dtma_client import DtmaClient
from tests.dtma.agent import Agent, eventually, ready, sdk_client, spec_of
from tests.dtma.mcp_raw import RESERVED, STATELESS, Raw, Visitor, http_to, path_of, text_of

ASKED = {"elicitation": {}, "sampling": {}}


@pytest.fixture
async def newer(client: DtmaClient, image: str, server_id: str) -> str:
    """The id of a running server of the stateless era."""
    await ready(client, server_id, spec_of(image, "newer"))
    return server_id


@pytest.fixture
async def http(agent: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    async with http_to(agent) as http:
        yield http


async def test_it_is_deployed_as_any_other(client: DtmaClient, newer: str) -> None:
    state = await client.server(newer)
    assert state.server_info["name"] == "newer"
    assert {"quiz", "hold"} <= {tool["name"] for tool in state.tools or ()}
    assert state.tools is not None
    assert state.tools[0]["x-unknown"] == {"kept": True}


async def test_the_sdk_is_asked_for_what_the_server_requires(agent: Agent, newer: str) -> None:
    words = iter(["yes", "done"])

    async def elicit(context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        return t.ElicitResult(action="accept", content={"word": next(words)})

    async def sample(context: ClientRequestContext, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
        return t.CreateMessageResult(role="assistant", content=t.TextContent(type="text", text="indeed"), model="m")

    async with sdk_client(agent, newer, mode="legacy", elicitation_callback=elicit, sampling_callback=sample) as sdk:
        assert sdk.protocol_version == "2025-11-25"
        assert sdk.instructions == "Be brief."
        result = await sdk.call_tool("quiz", {})
    assert isinstance(result.content[0], t.TextContent)
    first, last = json.loads(result.content[0].text)
    assert first["word"] == {"action": "accept", "content": {"word": "yes"}}
    assert first["and"]["content"]["text"] == "indeed"
    assert last["last"]["content"] == {"word": "done"}


async def test_requests_and_results_are_those_of_each_era(http: aiohttp.ClientSession, newer: str) -> None:
    raw = await Raw(http, path_of(newer)).begin(ASKED)
    assert raw.opening["serverInfo"] == {"name": "newer", "version": "1"}
    assert raw.opening["protocolVersion"] == "2025-11-25"
    listed = (await raw.request("tools/list"))["result"]
    assert set(listed) == {"tools", "x-unknown"}
    called = await raw.request("tools/call", {"name": "request", "arguments": {"a": 1}, "x-unknown": 2, "_meta": {"x-unknown": 3}})
    assert set(called["result"]) - {"_meta"} == {"content", "x-unknown"}  # what it cost is in _meta
    assert RESERVED + "serverInfo" not in called["result"].get("_meta", {})
    seen = json.loads(text_of(called))["params"]
    meta = seen.pop("_meta")
    assert seen == {"name": "request", "arguments": {"a": 1}, "x-unknown": 2}
    assert meta["x-unknown"] == 3
    assert meta[RESERVED + "protocolVersion"] == STATELESS
    assert meta[RESERVED + "clientCapabilities"] == ASKED
    assert meta[RESERVED + "clientInfo"]["name"] == "raw"
    missing = await raw.request("resources/read", {"uri": "test://nothing"})
    assert missing["error"]["code"] == -32002
    assert (await raw.request("ping"))["result"] == {}
    assert (await raw.request("subscriptions/listen"))["error"]["code"] == -32601


async def test_a_client_that_refuses_to_answer_ends_the_call(http: aiohttp.ClientSession, newer: str) -> None:
    raw = await Raw(http, path_of(newer)).begin(ASKED)
    async with raw.calling("quiz") as answer:
        question = await answer.next()
        refusal = {"code": -1, "message": "not today"}
        assert await raw.post({"id": question["id"], "error": refusal}) == 202
        assert "not today" in [message async for message in answer.messages()][-1]["error"]["message"]


async def test_a_client_is_asked_only_for_what_it_offers(http: aiohttp.ClientSession, newer: str) -> None:
    raw = await Raw(http, path_of(newer)).begin({"elicitation": {}})
    async with raw.calling("quiz") as answer:
        messages = [message async for message in answer.messages()]
    assert [message.get("method") for message in messages] in ([None], ["elicitation/create", None])
    assert "sampling/createMessage" in messages[-1]["error"]["message"]


async def test_questions_come_to_an_end(http: aiohttp.ClientSession, newer: str) -> None:
    raw = await Raw(http, path_of(newer)).begin(ASKED)
    rounds = 0
    async with raw.calling("endless") as answer:
        async for message in answer.messages():
            if "method" in message:
                rounds += 1
                await raw.post({"id": message["id"], "result": {"action": "accept", "content": {}}})
    assert rounds == 10
    assert "10 times" in message["error"]["message"]


async def test_levels_and_subscriptions_are_each_clients_own(http: aiohttp.ClientSession, newer: str) -> None:
    one, two = [await Raw(http, path_of(newer)).begin() for _ in range(2)]
    await one.request("logging/setLevel", {"level": "warning"})
    assert (await one.request("logging/setLevel", {"level": "loud"}))["error"]["code"] == -32602
    async with one.listen() as to_one, two.listen() as to_two:
        await one.request("resources/subscribe", {"uri": "test://a"})
        await two.request("resources/subscribe", {"uri": "test://b"})
        await one.call("touch", uri="test://b")
        await one.call("touch", uri="test://a")
        assert (await to_one.next())["params"] == {"uri": "test://a", "_meta": {"x-unknown": 1}}
        assert (await to_two.next())["params"] == {"uri": "test://b", "_meta": {"x-unknown": 1}}
        await two.request("resources/unsubscribe", {"uri": "test://b"})
        await one.call("touch", uri="test://b")
        await one.call("grow")
        for stream in (to_one, to_two):
            assert (await stream.next())["method"] == "notifications/tools/list_changed"
    seen = json.loads(await one.call("request"))["params"]["_meta"]
    assert seen[RESERVED + "logLevel"] == "warning"
    assert RESERVED + "logLevel" not in json.loads(await two.call("request"))["params"]["_meta"]


async def test_changed_tools_are_noticed_by_dtma_itself(client: DtmaClient, http: aiohttp.ClientSession, newer: str) -> None:
    await Visitor(http, path_of(newer)).call("grow")

    async def listed() -> bool:
        return "grown" in {tool["name"] for tool in (await client.server(newer)).tools or ()}

    await eventually(listed)


async def test_the_same_era_passes_through_with_all_that_is_unknown(http: aiohttp.ClientSession, newer: str) -> None:
    visitor = Visitor(http, path_of(newer), {"x-unknown": {"deep": [1]}})
    listed = (await visitor.request("tools/list"))["result"]
    assert (listed["ttlMs"], listed["cacheScope"], listed["x-unknown"]) == (5, "public", 1)
    called = await visitor.call("request", **{"x-unknown": 2, "_meta": {"x-unknown": 3}})
    assert called["result"]["x-unknown"] == {"kept": True}
    seen = json.loads(text_of(called))
    assert seen["params"] == {"name": "request", "arguments": {}, "x-unknown": 2, "_meta": visitor.meta | {"x-unknown": 3}}
    assert (await visitor.call("quiz"))["result"]["requestState"] == "1"
    async with visitor.open("x-unknown") as answer:
        assert (answer.status, (await answer.response())["error"]["code"]) == (404, -32601)


async def test_subscriptions_of_the_same_era_keep_their_ids(http: aiohttp.ClientSession, newer: str) -> None:
    one, two = Visitor(http, path_of(newer)), Visitor(http, path_of(newer))
    wants = [{"notifications": {"resourceSubscriptions": [uri]}} for uri in ("test://a", "test://b")]
    # Both use the id 1.
    async with one.open("subscriptions/listen", wants[0]) as to_one, two.open("subscriptions/listen", wants[1]) as to_two:
        for stream, wanted in ((to_one, wants[0]), (to_two, wants[1])):
            assert (await stream.next())["params"] == wanted | {"_meta": {RESERVED + "subscriptionId": 1}}
        for uri in ("test://b", "test://a"):
            await one.call("touch", {"uri": uri})
        for stream, uri in ((to_one, "test://a"), (to_two, "test://b")):
            updated = await stream.next()
            assert updated["params"] == {"uri": uri, "_meta": {RESERVED + "subscriptionId": 1, "x-unknown": 1}}

    async def ended() -> bool:
        listening = json.loads(text_of(await one.call("seen")))["listening"]
        return all("resourceSubscriptions" not in wish for wish in listening.values())

    await eventually(ended)


async def test_logs_of_the_same_era_reach_the_one_call_that_asked(http: aiohttp.ClientSession, newer: str) -> None:
    visitor = Visitor(http, path_of(newer))
    meta = {"progressToken": 7, RESERVED + "logLevel": "warning"}
    async with visitor.open("tools/call", {"name": "hold", "arguments": {"gate": "g", "log": "mine"}, "_meta": meta}) as answer:
        assert (await answer.next())["params"] == {"progressToken": 7, "progress": 1, "x-unknown": 1}
        assert (await answer.next())["params"]["data"] == "mine"
        await visitor.call("release", {"gate": "g"})
        assert text_of(await answer.response()) == "released"


async def test_a_server_of_this_era_cannot_ask_in_the_middle_of_a_call(http: aiohttp.ClientSession, newer: str) -> None:
    async with asyncio.timeout(20):
        said = await Visitor(http, path_of(newer), {"roots": {}}).call("rude")
    assert json.loads(text_of(said))["error"]["code"] == -32601


async def test_arguments_in_headers_are_compared(http: aiohttp.ClientSession, newer: str) -> None:
    visitor = Visitor(http, path_of(newer))
    params = {"name": "request", "arguments": {"region": "Zürich"}}
    for header, status in [
        ({}, 400),
        ({"Mcp-Param-Region": "Bern"}, 400),
        ({"Mcp-Param-Region": "=?base64?WsO8cmljaA?="}, 400),
        ({"Mcp-Param-Region": "=?base64?WsO8cmljaA==?="}, 200),
    ]:
        async with visitor.open("tools/call", params, header) as answer:
            assert answer.status == status
            if status == 400:
                assert (await answer.response())["error"]["code"] == -32020
