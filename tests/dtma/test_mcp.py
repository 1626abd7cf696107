"""Many clients on one server, through DTMA's endpoint: the official SDK, our own client, and raw HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from mcp_types import TextContent

from dtma_client import DtmaClient, DtmaTimeout, McpError, ServerNotFound
from dtma_wire import HttpTransport, ServerSpec
from tests.dtma.agent import Agent, eventually, ready, say, sdk_client, spec_of
from tests.dtma.test_deploy import EVERYTHING

MEGABYTE = 1024 * 1024


@pytest.fixture
async def workshop(client: DtmaClient, image: str, server_id: str) -> str:
    """The id of a running workshop."""
    await ready(client, server_id, spec_of(image, "workshop"))
    return server_id


@asynccontextmanager
async def raw(agent: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    async with agent.http(headers=headers) as session:
        yield session


async def begin(session: aiohttp.ClientSession, server_id: str, version: str = "2025-11-25") -> tuple[str, dict[str, Any]]:
    """Initialise by hand; the session id and the result."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": "same", "method": "initialize", "params": params}
    async with session.post(f"/v1/servers/{server_id}/mcp", json=message) as response:
        return response.headers["Mcp-Session-Id"], (await response.json())["result"]


async def test_clients_with_the_same_ids_get_their_own_answers(agent: Agent, workshop: str) -> None:
    async def one(number: int) -> list[str]:
        texts = []
        # Every SDK client counts its request ids from the same number.
        async with sdk_client(agent, workshop, mode="legacy") as sdk:
            results = await asyncio.gather(*(sdk.call_tool("echo", {"text": f"{number}-{call}"}) for call in range(10)))
            for result in results:
                assert isinstance(result.content[0], TextContent)
                texts.append(result.content[0].text)
        return texts

    answers = await asyncio.gather(*(one(number) for number in range(12)))
    assert answers == [[f"{number}-{call}" for call in range(10)] for number in range(12)]


async def test_a_client_of_the_stateless_era_is_understood_by_an_older_server(agent: Agent, workshop: str) -> None:
    async with sdk_client(agent, workshop, mode="auto") as sdk:
        assert sdk.protocol_version == "2026-07-28"
        assert [tool.name for tool in (await sdk.list_tools()).tools] == ["echo"]  # the server's first page
        result = await sdk.call_tool("echo", {"text": "hi"})
        assert isinstance(result.content[0], TextContent)
        assert result.content[0].text == "hi"


async def test_progress_goes_to_the_call_it_belongs_to(agent: Agent, workshop: str) -> None:
    async def one(steps: int) -> list[tuple[float, float | None, str | None]]:
        heard: list[tuple[float, float | None, str | None]] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, total, message))

        async with sdk_client(agent, workshop, mode="legacy") as sdk:
            await sdk.call_tool("slow", {"steps": steps}, progress_callback=hear)
        return heard

    for steps, heard in zip((3, 5, 7), await asyncio.gather(one(3), one(5), one(7)), strict=True):
        assert heard == [(number, steps, f"step {number}") for number in range(1, steps + 1)]


async def test_our_client_hears_progress_too(client: DtmaClient, workshop: str) -> None:
    heard: list[tuple[float, float | None, str]] = []

    async def hear(progress: float, total: float | None, message: str) -> None:
        heard.append((progress, total, message))

    await client.mcp(workshop).call_tool("slow", {"steps": 2}, 10, hear)
    assert heard == [(1, 2, "step 1"), (2, 2, "step 2")]


async def test_a_client_that_leaves_cancels_its_call_and_no_other(client: DtmaClient, workshop: str) -> None:
    under_way = asyncio.Semaphore(0)

    async def hear(progress: float, total: float | None, message: str) -> None:
        under_way.release()

    leaving = asyncio.create_task(client.mcp(workshop).call_tool("slow", {"steps": 200}, 30, hear))
    await asyncio.wait_for(under_way.acquire(), 10)
    staying = asyncio.create_task(client.mcp(workshop).call_tool("slow", {"steps": 20}, 30))
    leaving.cancel()

    async def told() -> list[dict[str, Any]]:
        cancelled: list[dict[str, Any]] = json.loads(await say(client, workshop, "cancelled"))
        return cancelled

    assert len(await eventually(told)) == 1
    assert (await staying)["content"][0]["text"] == "done"
    assert len(await told()) == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_broken_connection_cancels_its_call(agent: Agent, client: DtmaClient, workshop: str) -> None:
    async with raw(agent) as session:
        session_id, _ = await begin(session, workshop)
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {"steps": 100}}}
        with pytest.raises(TimeoutError):
            async with session.post(
                f"/v1/servers/{workshop}/mcp",
                json=call,
                headers={"Mcp-Session-Id": session_id},
                timeout=aiohttp.ClientTimeout(total=1),
            ):
                raise AssertionError("the call answered")

    async def told() -> bool:
        return "The client disconnected." in await say(client, workshop, "cancelled")

    await eventually(told)


async def test_a_call_that_takes_too_long_is_cancelled(client: DtmaClient, workshop: str) -> None:
    await client.mcp(workshop).initialize()
    with pytest.raises(DtmaTimeout, match="within 1 s"):
        await client.mcp(workshop).call_tool("slow", {"steps": 100}, 1)

    async def told() -> bool:
        return len(json.loads(await say(client, workshop, "cancelled"))) == 1

    await eventually(told)


async def test_messages_of_five_megabytes_pass_both_ways(client: DtmaClient, workshop: str) -> None:
    assert await say(client, workshop, "big", size=5 * MEGABYTE) == "x" * 5 * MEGABYTE
    text = "é" * (5 * MEGABYTE // 2)
    assert await say(client, workshop, "echo", text=text) == text


async def test_what_dtma_does_not_know_passes_unchanged(client: DtmaClient, workshop: str) -> None:
    state = await client.server(workshop)
    assert state.tools is not None
    assert state.tools[0]["x-unknown"] == {"kept": True}
    assert (await client.mcp(workshop).call_tool("echo", {"text": "x"}))["x-unknown"] == 1
    assert (await client.mcp(workshop).call_tool("nan", {}))["value"] is None


async def test_a_json_rpc_error_keeps_its_code(client: DtmaClient, workshop: str) -> None:
    with pytest.raises(McpError, match="No tool nonsense") as raised:
        await client.mcp(workshop).call_tool("nonsense", {})
    assert raised.value.rpc_code == -32602


async def test_requests_of_a_server_are_answered(client: DtmaClient, workshop: str) -> None:
    assert json.loads(await say(client, workshop, "ask", method="ping"))["result"] == {}
    assert json.loads(await say(client, workshop, "ask", method="sampling/createMessage"))["error"]["code"] == -32601


async def test_changed_tools_are_told_to_everybody(agent: Agent, client: DtmaClient, workshop: str) -> None:
    before = await client.server(workshop)
    async with raw(agent) as session:
        session_id, _ = await begin(session, workshop)
        async with session.get(f"/v1/servers/{workshop}/mcp", headers={"Mcp-Session-Id": session_id}) as stream:
            assert stream.content_type == "text/event-stream"
            await say(client, workshop, "change")
            async with asyncio.timeout(10):
                while b"notifications/tools/list_changed" not in await stream.content.readline():
                    pass

    async def changed() -> bool:
        return (await client.server(workshop)).tools_hash != before.tools_hash

    await eventually(changed)
    assert "added" in {tool["name"] for tool in (await client.server(workshop)).tools or ()}


async def test_every_supported_version_is_negotiated(agent: Agent, workshop: str) -> None:
    async with raw(agent) as session:
        for asked, given in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("1999-01-01", "2025-11-25"),
            ("2999-01-01", "2025-11-25"),
        ]:
            _, result = await begin(session, workshop, asked)
            assert result["protocolVersion"] == given


async def test_a_session_that_ended_is_gone(agent: Agent, workshop: str) -> None:
    path = f"/v1/servers/{workshop}/mcp"
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with raw(agent) as session:
        session_id, _ = await begin(session, workshop)
        headers = {"Mcp-Session-Id": session_id}
        async with session.post(path, json=ping, headers=headers) as response:
            assert (response.status, await response.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
        async with session.delete(path, headers=headers) as response:
            assert response.status == 200
        async with session.post(path, json=ping, headers=headers) as response:
            assert response.status == 404


async def test_our_client_begins_a_new_session_where_the_old_one_is_gone(client: DtmaClient, workshop: str) -> None:
    session = client.mcp(workshop)
    first = (await session.call_tool("session", {}))["content"][0]["text"]
    await client.restart(workshop)
    assert (await session.call_tool("session", {}))["content"][0]["text"] != first


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'"text"', {}, 400),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', {}, 400),
        (b'{"jsonrpc":"2.0","id":1}', {}, 400),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Mcp-Session-Id": "nobody"}, 404),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Mcp-Session-Id": ""}, 404),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"MCP-Protocol-Version": "1999-01-01"}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Origin": "https://evil.example"}, 403),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Origin": "null"}, 403),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', {}, 202),
        (b'{"jsonrpc":"2.0","id":"x","result":{}}', {}, 202),
    ],
)
async def test_what_is_malformed_gets_a_4xx(agent: Agent, workshop: str, body: bytes, headers: dict[str, str], status: int) -> None:
    async with raw(agent) as session:
        session_id, _ = await begin(session, workshop)
        async with session.post(f"/v1/servers/{workshop}/mcp", data=body, headers={"Mcp-Session-Id": session_id} | headers) as response:
            answer = await response.read()
            assert response.status == status, answer
            if status >= 400:
                assert json.loads(answer)["error"]["message"]


async def test_an_unknown_server(client: DtmaClient) -> None:
    with pytest.raises(ServerNotFound):
        await client.mcp("nobody").call_tool("echo", {})


async def test_a_request_without_a_session_is_refused(agent: Agent, workshop: str) -> None:
    async with (
        raw(agent) as session,
        session.post(f"/v1/servers/{workshop}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}) as response,
    ):
        assert response.status == 400
        assert "initialize first" in (await response.json())["error"]["message"]


async def test_an_http_server_is_passed_through(agent: Agent, client: DtmaClient, server_id: str) -> None:
    spec = ServerSpec(generation=1, name="e", source=EVERYTHING, arguments=("streamableHttp",), transport=HttpTransport(port=3001))
    await ready(client, server_id, spec)
    async with sdk_client(agent, server_id, mode="auto") as one, sdk_client(agent, server_id, mode="legacy") as two:
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        slow, quick = await asyncio.gather(
            one.call_tool("trigger-long-running-operation", {"duration": 1, "steps": 4}, progress_callback=hear),
            two.call_tool("echo", {"message": "meanwhile"}),
        )
        assert not slow.is_error
        assert heard == [1, 2, 3, 4]
        assert isinstance(quick.content[0], TextContent)
        assert quick.content[0].text == "Echo: meanwhile"
    async with (
        raw(agent) as session,
        session.post(f"/v1/servers/{server_id}/mcp", data=b"{", headers={"Origin": "https://evil.example"}) as response,
    ):
        assert response.status == 403


async def test_a_raw_request_is_forwarded(client: DtmaClient, workshop: str) -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
    async with client.forward(workshop, "POST", {"Content-Type": "application/json"}, body) as answer:
        assert answer.status == 200
        assert "Mcp-Session-Id" in answer.headers
        received = b"".join([chunk async for chunk in answer.body])
    assert json.loads(received)["result"]["serverInfo"]["name"] == "workshop"
    async with client.forward(workshop, "POST", {"Content-Type": "application/json"}, b"{") as answer:
        assert answer.status == 400
