"""What nobody may do through the gateway."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
import pytest

from accounts.models import User
from accounts.services import create_api_token
from agents.services.grants import set_tool_rules
from tests.agents.granting import agent_with
from tests.dtma.mcp_raw import STATELESS, Raw, Visitor, text_of
from tests.gateway.conftest import Place, receipts, session_with

OLDER = "/mcp/helper/older"
WHOLE = "/mcp/helper"
ANSWERS = {"word": {"action": "accept", "content": {"word": "x"}}, "and": {"role": "assistant", "content": [], "model": "m"}}
CAN = {"elicitation": {}, "sampling": {}}


async def test_another_users_agent(gateway: str, place: Place, stranger: User) -> None:
    token = await place.do(lambda: create_api_token(user=stranger, name="theirs"))
    async with session_with(gateway, token) as theirs:
        for path in (WHOLE, OLDER):
            async with Visitor(theirs, path).open("tools/list") as answer:
                assert answer.status == 404
                assert (await answer.response())["error"]["data"]["code"] == "agent_not_found"


async def test_another_users_session(gateway: str, http: aiohttp.ClientSession, place: Place, stranger: User) -> None:
    def theirs() -> str:
        agent_with(stranger, name="Helper")  # an agent of the same name
        return create_api_token(user=stranger, name="test")

    token = await place.do(theirs)
    raw = await Raw(http, WHOLE).begin()
    async with session_with(gateway, token) as other:
        thief = Raw(other, WHOLE)
        thief.session = raw.session
        for request in (thief.open("tools/list"), thief.listen()):
            async with request as answer:
                assert answer.status == 404
        async with other.delete(WHOLE, headers=raw.session) as response:
            assert response.status == 404
    assert "result" in await raw.request("tools/list")


async def test_a_session_belongs_to_its_token_and_its_address(gateway: str, http: aiohttp.ClientSession, place: Place) -> None:
    token = await place.do(lambda: create_api_token(user=place.owner, name="other"))
    raw = await Raw(http, OLDER).begin()
    async with session_with(gateway, token) as other:
        for session, path in ((other, OLDER), (http, WHOLE), (http, "/mcp/helper/newer")):
            thief = Raw(session, path)
            thief.session = raw.session
            async with thief.open("tools/list") as answer:
                assert answer.status == 404


async def test_an_ended_session(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    async with raw.listen() as stream:
        async with http.delete(OLDER, headers=raw.session) as response:
            assert response.status == 200
        assert [message async for message in stream.messages()] == []
    async with raw.open("tools/list") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", [OLDER, WHOLE])
async def test_a_tool_that_is_not_listed(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    await place.change("older", tools=["length"])
    name = "seen" if path == OLDER else "older__seen"
    for client in (await Raw(http, path).begin(), Visitor(http, path)):
        error = (await client.request("tools/call", {"name": name, "arguments": {}}))["error"]
        assert (error["code"], error["data"]["code"]) == (-32602, "tool_not_found")
    assert [call.status for call in await receipts(at_least=2)] == ["refused", "refused"]


async def test_a_name_that_is_said_twice(http: aiohttp.ClientSession, place: Place) -> None:
    """What is checked is what is sent: of two members of one name, the server gets the one that counted."""
    await place.change("older", tools=["request"])
    raw = await Raw(http, OLDER).begin()
    body = '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"seen","name":"request","arguments":{}}}'
    async with http.post(OLDER, data=body, headers=raw.session) as response:
        assert '\\"name\\": \\"request\\"' in await response.text()


@pytest.mark.parametrize("path", [OLDER, WHOLE])
async def test_a_revoked_grant(http: aiohttp.ClientSession, place: Place, path: str) -> None:
    name = "length" if path == OLDER else "older__length"
    raw = await Raw(http, path).begin()
    assert await raw.call(name, text="a") == "1"
    await place.revoke("older")
    assert "error" in await raw.request("tools/call", {"name": name, "arguments": {"text": "a"}})


async def test_a_grant_that_changes_while_calls_run(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    refused = asyncio.Event()
    results: list[bool] = []

    async def keep_calling() -> None:
        while not refused.is_set():
            response = await raw.request("tools/call", {"name": "length", "arguments": {"text": "a"}})
            results.append("result" in response)
            if not results[-1]:
                refused.set()

    async with raw.calling("hold", gate="g") as answer:
        await answer.next()
        callers = [asyncio.create_task(keep_calling()) for _ in range(8)]
        await place.change("older", tools=["hold"])
        assert "error" in await raw.request("tools/call", {"name": "length", "arguments": {"text": "a"}})
        await asyncio.wait_for(asyncio.gather(*callers), 20)
        await raw.post({"method": "notifications/cancelled", "params": {"requestId": 2}})
    kept = await receipts(at_least=len(results))
    assert {call.status for call in kept} <= {"succeeded", "refused", "cancelled"}


async def test_ids_that_collide(http: aiohttp.ClientSession, place: Place) -> None:
    """All clients begin to count at 1, in sessions and without."""
    raws = [await Raw(http, WHOLE).begin() for _ in range(5)]
    visitors = [Visitor(http, WHOLE) for _ in range(5)]
    texts = ["x" * number for number in range(10)]
    said = await asyncio.gather(
        *(raw.call("older__length", text=text) for raw, text in zip(raws, texts, strict=False)),
        *(visitor.call("older__length", {"text": text}) for visitor, text in zip(visitors, texts[5:], strict=True)),
    )
    assert [*said[:5], *map(text_of, said[5:])] == [str(number) for number in range(10)]


async def test_headers_that_say_something_else(http: aiohttp.ClientSession, place: Place) -> None:
    visitor = Visitor(http, WHOLE)
    params = {"name": "older__length", "arguments": {"text": "a"}}
    for headers in ({"Mcp-Name": "older__seen"}, {"Mcp-Method": "tools/list"}, {"MCP-Protocol-Version": "2025-11-25"}):
        async with visitor.open("tools/call", params, headers) as answer:
            assert answer.status == 400
            assert (await answer.response())["error"]["code"] == -32020
    encoded = f"=?base64?{base64.b64encode(b'older__length').decode()}?="
    assert text_of(await visitor.request("tools/call", params, {"Mcp-Name": encoded})) == "1"


async def test_a_state_that_was_changed_or_used_or_is_anothers(gateway: str, http: aiohttp.ClientSession, place: Place) -> None:
    token = await place.do(lambda: create_api_token(user=place.owner, name="other"))
    visitor = Visitor(http, "/mcp/helper/newer", CAN)
    state = (await visitor.call("quiz"))["result"]["requestState"]
    async with session_with(gateway, token) as other:
        wrong = [
            (visitor, "quiz", {}, state + "x"),
            (visitor, "quiz", {}, state[:-8] + "AAAAAAA="),
            (visitor, "quiz", {}, "1"),
            (visitor, "endless", {}, state),
            (visitor, "quiz", {"changed": 1}, state),
            (Visitor(http, WHOLE, CAN), "newer__quiz", {}, state),
            (Visitor(other, "/mcp/helper/newer", CAN), "quiz", {}, state),
        ]
        for client, tool, arguments, used in wrong:
            error = (await client.call(tool, arguments, inputResponses=ANSWERS, requestState=used))["error"]
            assert (error["code"], error["data"]) == (-32602, {"reason": "invalid_request_state"})
    assert "result" in await visitor.call("quiz", inputResponses=ANSWERS, requestState=state)
    replayed = await visitor.call("quiz", inputResponses=ANSWERS, requestState=state)
    assert replayed["error"]["data"] == {"reason": "invalid_request_state"}


async def test_the_token_goes_no_further(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, OLDER).begin()
    said = await raw.call("request", authorization="none")
    assert place.token not in said


async def test_what_is_no_message(http: aiohttp.ClientSession, place: Place) -> None:
    deep = "[" * 500 + "]" * 500
    for body, status in (
        ("{", 400), ("[]", 400), ('{"jsonrpc":"1.0"}', 400), (f'{{"jsonrpc":"2.0","id":1,"method":"x","params":{deep}}}', 400),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400), ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":NaN}}', 400),
    ):  # fmt: skip
        async with http.post(WHOLE, data=body) as response:
            assert response.status == status
            assert "error" in await response.json(content_type=None)
    async with http.post(WHOLE, data="{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415
    async with http.put(WHOLE, data="{}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST, DELETE")
    async with http.get(WHOLE, headers={"MCP-Protocol-Version": STATELESS}) as response:
        assert response.status == 405
    async with http.get("/mcp/Helper!/x/y") as response:
        assert response.status == 404


async def test_a_page_of_another_site(http: aiohttp.ClientSession, place: Place) -> None:
    for headers, status in (({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)):
        async with http.post(WHOLE, data="{}", headers=headers) as response:
            assert response.status == status


async def test_rules_of_arguments_hold(http: aiohttp.ClientSession, place: Place) -> None:
    rules = {"type": "object", "properties": {"text": {"maxLength": 3}}}
    await place.do(lambda: set_tool_rules(owner=place.owner, grant_id=place.grant("older").pk, name="length", argument_rules=rules))
    raw = await Raw(http, WHOLE).begin()
    assert await raw.call("older__length", text="abc") == "3"
    result = (await raw.request("tools/call", {"name": "older__length", "arguments": {"text": "abcd"}}))["result"]
    assert result["_meta"]["io.agentopia/error"] == {"code": "arguments_not_allowed", "retryable": False}
