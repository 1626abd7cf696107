"""``/mcp/{agent}/{server}``: one server as it is, in both eras."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import aiohttp
import httpx2
from django.utils import timezone
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.dtma.agent import eventually
from tests.dtma.mcp_raw import REPLY, Raw, Visitor, text_of
from tests.gateway.conftest import Place, receipts

OLDER = "/mcp/helper/older"
NEWER = "/mcp/helper/newer"
ASKED = {"sampling": {}, "elicitation": {"form": {}}}


async def test_a_call_in_a_session(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    response = await raw.request("tools/call", {"name": "length", "arguments": {"text": "four"}})
    assert text_of(response) == "4"
    assert response["result"]["x-unknown"] == {"kept": True}
    (call,) = await receipts()
    assert (call.tool_name, call.status, call.via, call.client) == ("length", "succeeded", "gateway", "raw 1")
    assert call.token_name == "test"
    assert call.run is not None


async def test_a_call_without_one(http: aiohttp.ClientSession, place: Place) -> None:
    response = await Visitor(http, NEWER).call("release", {"gate": "x"})
    assert text_of(response) == "ok"
    assert response["result"]["x-unknown"] == {"kept": True}
    (call,) = await receipts()
    assert (call.tool_name, call.status, call.client, call.run) == ("release", "succeeded", "raw 1", None)


async def test_either_era_reaches_a_server_of_the_other(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, NEWER).begin()
    assert await raw.call("release", gate="x") == "ok"
    assert text_of(await Visitor(http, OLDER).call("length", {"text": "four"})) == "4"


async def test_the_official_client_in_both_modes(gateway: str, place: Place) -> None:
    for mode in ("legacy", "2026-07-28", "auto"):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {place.token}"}, timeout=30) as client,
            Client(streamable_http_client(gateway + OLDER, http_client=client), mode=mode) as session,
        ):
            assert "length" in [tool.name for tool in (await session.list_tools()).tools]
            result = await session.call_tool("length", {"text": "four"})
            assert result.content[0].text == "4"


async def test_tools_are_listed_from_what_is_known(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    assert raw.opening["capabilities"]["tools"] == {"listChanged": True}
    assert raw.opening["instructions"] == "Be kind."
    listed = (await raw.request("tools/list"))["result"]["tools"]
    assert {"name": "deaf", "inputSchema": {"type": "object"}, "x-unknown": {"kept": True}} in listed
    newer = (await Visitor(http, NEWER).request("tools/list"))["result"]
    assert (newer["resultType"], newer["cacheScope"]) == ("complete", "private")
    assert {"quiz", "hold"} <= {tool["name"] for tool in newer["tools"]}


async def test_what_comes_before_the_result_comes_at_once(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.calling("hold", gate="g") as answer:
        progress = await answer.next()
        assert (progress["method"], progress["params"]["progressToken"]) == ("notifications/progress", "mine")
        await raw.request("x-release", {"gate": "g"})
        assert text_of(await answer.response()) == "released"


async def test_questions_are_asked_and_answered(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin(ASKED)
    async with raw.calling("consult", text="What?") as answer:
        question = await answer.next()
        assert (question["method"], question["params"]["x-unknown"]) == ("sampling/createMessage", [1])
        assert await raw.post({"id": question["id"], "result": REPLY}) == 202
        assert "indeed" in text_of(await answer.response())


async def test_a_request_that_is_cancelled(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.calling("hold", gate="g") as answer:
        await answer.next()
        assert await raw.post({"method": "notifications/cancelled", "params": {"requestId": 2}}) == 202
        assert [message async for message in answer.messages()] == []
    (call,) = await receipts()
    assert call.status == "cancelled"

    async def told() -> bool:
        said = json.loads(await raw.call("seen"))["notifications"]
        return any(message["method"] == "notifications/cancelled" for message in said)

    await eventually(told)


async def test_leaving_cancels_in_the_stateless_era(http: aiohttp.ClientSession, place: Place) -> None:
    visitor = Visitor(http, NEWER)
    async with visitor.open("tools/call", {"name": "hold", "arguments": {"gate": "g"}, "_meta": {"progressToken": 1}}) as answer:
        await answer.next()
    (call,) = await receipts()
    assert call.status == "cancelled"


async def test_a_stream_that_broke_goes_on_where_it_was(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.calling("hold", gate="g") as answer:
        assert (await answer.next())["method"] == "notifications/progress"
        primed, progress = answer.event_ids
    async with raw.listen(progress) as rest:
        await raw.request("x-release", {"gate": "g"})
        assert text_of(await rest.response()) == "released"
    async with raw.listen(primed) as rest:  # what arrived is told again to who asks for it again
        assert (await rest.next())["method"] == "notifications/progress"
        assert text_of(await rest.response()) == "released"
    (call,) = await receipts()
    assert call.status == "succeeded"


async def test_a_stream_that_nobody_comes_back_for_cancels_its_call(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.calling("hold", gate="g") as answer:
        await answer.next()
    (call,) = await receipts()
    assert call.status == "cancelled"


async def test_changes_of_the_grant_are_told(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.listen() as stream:
        await place.change("older", tools=["length"])
        assert await stream.next() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        assert [tool["name"] for tool in (await raw.request("tools/list"))["result"]["tools"]] == ["length"]
        await place.revoke("older")
        assert [message async for message in stream.messages()] == []  # it ends
    assert (await raw.request("tools/list"))["error"]["code"] == -32602


async def test_changes_are_told_to_subscriptions(http: aiohttp.ClientSession, place: Place) -> None:
    visitor = Visitor(http, NEWER)
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
    async with visitor.open("subscriptions/listen", {"notifications": wanted}) as stream:
        granted = await stream.next()
        assert granted["params"]["notifications"] == wanted
        await visitor.call("touch", {"uri": "test://a"})
        updated = await stream.next()
        assert (updated["method"], updated["params"]["uri"]) == ("notifications/resources/updated", "test://a")
        await place.change("newer", tools=["quiz"])
        changed = await stream.next()
        assert changed["method"] == "notifications/tools/list_changed"
        assert changed["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": 1}


async def test_chosen_tools_are_all_that_there_is(http: aiohttp.ClientSession, place: Place) -> None:
    await place.change("older", tools=["length"])
    raw = await Raw(http, OLDER).begin()
    assert set(raw.opening["capabilities"]) == {"tools", "logging"}
    assert (await raw.request("resources/read", {"uri": "test://a"}))["error"]["code"] == -32601
    error = (await raw.request("tools/call", {"name": "seen", "arguments": {}}))["error"]
    assert (error["code"], error["data"]) == (-32602, {"code": "tool_not_found"})
    (call,) = await receipts()
    assert (call.status, call.tool_name, call.server_name) == ("refused", "seen", "older")


async def test_a_grant_ends_by_the_clock(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    soon = timezone.now() + timedelta(seconds=1)
    await place.change("older", expires_at=soon)

    async def ended() -> bool:
        return "error" in await raw.request("tools/call", {"name": "length", "arguments": {"text": "a"}})

    await eventually(ended)


async def test_a_server_that_forgot_the_session_gets_a_new_one(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    assert await raw.call("length", text="a") == "1"
    place.host.kill()
    place.host.start()

    async def back() -> bool:
        return (await raw.request("tools/call", {"name": "length", "arguments": {"text": "a"}})).get("result", {}).get("isError") is None

    await eventually(back, 20)
    assert await raw.call("length", text="four") == "4"


async def test_a_toolbox_that_is_away_is_an_error_to_act_on(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    place.host.kill()
    try:
        async with asyncio.timeout(20):
            result = (await raw.request("tools/call", {"name": "length", "arguments": {"text": "a"}}))["result"]
            assert result["isError"]
            assert result["_meta"]["io.agentopia/error"] == {"code": "toolbox_unreachable", "retryable": True}
            assert (await raw.request("resources/list"))["error"]["code"] == -32000
    finally:
        place.host.start()
    (call,) = await receipts()
    assert (call.status, call.error_code) == ("failed", "toolbox_unreachable")
