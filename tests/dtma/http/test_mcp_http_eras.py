"""Servers that speak HTTP in their container, for clients of the other era: what they say to each other is translated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from mcp_types import CallToolResult, ElicitResult

from dtma_client import DtmaClient
from tests.dtma.agent import Agent, deploy, eventually, ready, sdk_client
from tests.dtma.http.calls import COST, MEGABYTE, call, http_spec, raw, stateless_call, text_of, told

OTHER = [("handshake", "auto", "2026-07-28"), ("stateless", "legacy", "2025-11-25")]
"""What the server speaks, how the client begins, and what it then speaks."""


@pytest.mark.parametrize(("era", "mode", "version"), OTHER)
async def test_calls_progress_and_questions_are_translated(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str, era: str, mode: Any, version: str
) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async def answer(context: Any, params: Any) -> Any:
        return ElicitResult(action="accept", content={"name": "Ada"})

    state = await ready(client, server_id, http_spec(http_image, "sdk", era))
    assert state.server_info["name"] == "sdk"
    async with sdk_client(agent, server_id, mode=mode, elicitation_callback=answer) as sdk:
        assert sdk.protocol_version == version
        assert {tool.name for tool in (await sdk.list_tools()).tools} >= {"echo", "slow"}
        assert (await told(sdk))["version"] != version
        assert text_of(await sdk.call_tool("slow", {"size": 3}, progress_callback=hear)) == "done"
        assert heard == [1, 2, 3]
        assert text_of(await sdk.call_tool("ask", {})) == "accept Ada"
        assert text_of(await sdk.call_tool("region", {"region": "eu"})) == "region {'region': 'eu'}"
        result = await sdk.call_tool("big", {"size": 5 * MEGABYTE})
        assert text_of(result) == "x" * 5 * MEGABYTE
        assert isinstance(result, CallToolResult)
        assert result.meta is not None
        assert result.meta["com.example/kept"] == {"x": 1}
        assert result.meta[COST]["cpu_seconds"] >= 0


@pytest.mark.parametrize(("era", "mode", "version"), OTHER)
async def test_a_client_that_cancels_cancels_at_the_server(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str, era: str, mode: Any, version: str
) -> None:
    await ready(client, server_id, http_spec(http_image, "sdk", era))
    async with sdk_client(agent, server_id, mode=mode) as sdk:
        under_way = asyncio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            under_way.set()

        leaving = asyncio.create_task(sdk.call_tool("slow", {"size": 600}, progress_callback=hear))
        await asyncio.wait_for(under_way.wait(), 10)
        leaving.cancel()

        async def cancelled() -> bool:
            return bool((await told(sdk))["cancelled"] == ["slow"])

        await eventually(cancelled)
        with pytest.raises(asyncio.CancelledError):
            await leaving


async def test_a_server_of_the_stateless_era_alone_is_sent_the_headers_of_its_era(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str
) -> None:
    state = await ready(client, server_id, http_spec(http_image, "sdk", "stateless"))
    assert state.protocol_version == "2026-07-28"
    async with sdk_client(agent, server_id, mode="legacy") as sdk:
        await sdk.call_tool("region", {"region": "Zürich"})
        headers = (await told(sdk))["headers"]
    sent = next(request for request in headers if request.get("mcp-name") == "region")
    assert sent["host"] == "localhost:8000"
    assert sent["mcp-method"] == "tools/call"
    assert sent["mcp-param-region"] == "=?base64?WsO8cmljaA==?="
    assert "authorization" not in sent


async def test_unknown_fields_survive_the_translation(agent: Agent, client: DtmaClient, http_image: str, server_id: str) -> None:
    await ready(client, server_id, http_spec(http_image, "odd", "plain"))
    async with raw(agent) as session, session.post(f"/v1/servers/{server_id}/mcp", **stateless_call("headers")) as response:
        answer = await response.json()
    assert answer["id"] == 7
    assert answer["result"]["x-unknown"] == 1
    assert answer["result"]["resultType"] == "complete"


@pytest.mark.parametrize(
    ("tool", "text"), [("garbage", "no MCP message"), ("error", "HTTP 500"), ("lists", "no MCP message"), ("cut", "answer")]
)
async def test_garbage_becomes_an_error_that_says_so(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str, tool: str, text: str
) -> None:
    await ready(client, server_id, http_spec(http_image, "odd", "plain"))
    async with raw(agent) as session, session.post(f"/v1/servers/{server_id}/mcp", **stateless_call(tool)) as response:
        error = json.loads((await response.read()).rpartition(b"data: ")[2])
    assert error["id"] == 7
    assert "The server in the container failed" in error["error"]["message"]
    assert text in error["error"]["message"]


async def test_an_answer_beyond_the_largest_message_is_refused(agent: Agent, client: DtmaClient, http_image: str, server_id: str) -> None:
    await ready(client, server_id, http_spec(http_image, "sdk", "handshake"))
    async with raw(agent) as session, session.post(f"/v1/servers/{server_id}/mcp", **stateless_call("big", size=33 * MEGABYTE)) as response:
        error = json.loads((await response.read()).rpartition(b"data: ")[2])
    assert "more than 32 MB" in error["error"]["message"]


async def test_a_session_that_the_server_forgot_is_begun_anew(agent: Agent, client: DtmaClient, http_image: str, server_id: str) -> None:
    await ready(client, server_id, http_spec(http_image, "odd", "forgetful"))
    async with raw(agent) as session:
        for _ in range(3):
            async with session.post(f"/v1/servers/{server_id}/mcp", **stateless_call("headers")) as response:
                assert "result" in await response.json()


async def test_an_answer_that_the_server_has_fetched_later_is_fetched(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str
) -> None:
    await ready(client, server_id, http_spec(http_image, "sdk", "handshake"))
    async with sdk_client(agent, server_id, mode="auto") as sdk:
        assert text_of(await sdk.call_tool("later", {})) == "here it is"


async def test_what_a_server_ignores_is_not_tried_again(make_agent: Callable[..., Agent], http_image: str, server_id: str) -> None:
    agent = make_agent(handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client, raw(agent) as session:
        for generation, asked in ((1, 1), (2, 0)):
            await ready(client, server_id, http_spec(http_image, "odd", "deaf", generation=generation, incarnation=generation))
            async with session.post(f"/v1/servers/{server_id}/mcp", **stateless_call("discovered")) as response:
                assert (await response.json())["result"]["content"][0]["text"] == str(asked)
        await client.delete(server_id)


@pytest.mark.parametrize("era", ["both", "handshake", "stateless"])
async def test_a_new_dtma_carries_on(make_agent: Callable[..., Agent], http_image: str, server_id: str, era: str) -> None:
    agent = make_agent(handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, http_spec(http_image, "sdk", era))
    agent.kill()
    agent.start()
    async with DtmaClient(agent.endpoint) as client:

        async def runs() -> bool:
            return (await client.server(server_id)).phase == "running"

        await eventually(runs)
        assert (await client.server(server_id)).container == before.container
        for mode in ("auto", "legacy"):
            async with sdk_client(agent, server_id, mode=mode) as sdk:  # type: ignore[arg-type]
                assert text_of(await sdk.call_tool("echo", {"text": "still here"})) == "still here"
        await client.mcp(server_id).call_tool("change", {})

        async def changed() -> bool:
            return (await client.server(server_id)).tools_hash != before.tools_hash

        await eventually(changed)
        await client.delete(server_id)


async def test_a_server_that_refuses_both_eras_says_so(client: DtmaClient, http_image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, http_spec(http_image, "odd", "unwilling"))
    assert not settled.ready
    assert "The server refused to initialize: not today" in settled.server.reason


async def test_a_call_of_a_handshake_client_needs_a_session(agent: Agent, client: DtmaClient, http_image: str, server_id: str) -> None:
    await ready(client, server_id, http_spec(http_image, "sdk", "stateless"))
    async with raw(agent) as session, session.post(f"/v1/servers/{server_id}/mcp", json=call("echo", text="x")) as response:
        assert response.status == 400
        assert "initialize" in (await response.json())["error"]["message"]
