"""Servers that speak the old HTTP+SSE transport in their container; to clients they are like any other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp_types import ElicitResult

from dtma_client import DtmaClient, McpError
from dtma_wire import SseTransport
from tests.dtma.agent import Agent, deploy, eventually, ready, say, sdk_client
from tests.dtma.http.calls import MEGABYTE, http_spec, text_of, told

SSE = SseTransport(port=8000)


@pytest.fixture
async def old(client: DtmaClient, http_image: str, server_id: str) -> str:
    """The id of a running server on the SDK that speaks HTTP+SSE."""
    await ready(client, server_id, http_spec(http_image, "sdk", "sse", transport=SSE))
    return server_id


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_clients_of_both_eras_use_it(agent: Agent, old: str, mode: Any) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async def answer(context: Any, params: Any) -> Any:
        return ElicitResult(action="accept", content={"name": "Ada"})

    async with sdk_client(agent, old, mode=mode, elicitation_callback=answer) as sdk:
        assert (await told(sdk))["version"] == "2025-11-25"
        assert text_of(await sdk.call_tool("slow", {"size": 3}, progress_callback=hear)) == "done"
        assert heard == [1, 2, 3]
        assert text_of(await sdk.call_tool("ask", {})) == "accept Ada"
        assert text_of(await sdk.call_tool("big", {"size": 5 * MEGABYTE})) == "x" * 5 * MEGABYTE
        assert text_of(await sdk.call_tool("echo", {"text": "y" * 5 * MEGABYTE})) == "y" * 5 * MEGABYTE


async def test_many_clients_share_it(agent: Agent, old: str) -> None:
    async def one(number: int) -> list[str]:
        async with sdk_client(agent, old, mode="legacy") as sdk:
            return [text_of(await sdk.call_tool("echo", {"text": f"{number}-{call}"})) for call in range(5)]

    assert await asyncio.gather(*(one(number) for number in range(6))) == [[f"{n}-{call}" for call in range(5)] for n in range(6)]


async def test_a_client_that_leaves_cancels_its_call(client: DtmaClient, old: str) -> None:
    under_way = asyncio.Event()

    async def hear(progress: float, total: float | None, message: str) -> None:
        under_way.set()

    leaving = asyncio.create_task(client.mcp(old).call_tool("slow", {"size": 600}, 90, hear))
    await asyncio.wait_for(under_way.wait(), 10)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    async def cancelled() -> bool:
        return bool(json.loads(await say(client, old, "told"))["cancelled"] == ["slow"])

    await eventually(cancelled)


async def test_changed_tools_are_seen(client: DtmaClient, old: str) -> None:
    before = await client.server(old)
    await client.mcp(old).call_tool("change", {})

    async def changed() -> bool:
        return (await client.server(old)).tools_hash != before.tools_hash

    await eventually(changed)


async def test_an_event_stream_that_ended_is_opened_anew(client: DtmaClient, old: str) -> None:
    before = await client.server(old)
    with pytest.raises(McpError, match="event stream"):
        await client.mcp(old).call_tool("hang_up", {})
    assert await say(client, old, "echo", text="again") == "again"
    assert (await client.server(old)).container == before.container


async def test_messages_are_sent_nowhere_but_to_the_container(client: DtmaClient, http_image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, http_spec(http_image, "odd", "astray", transport=SSE))
    assert not settled.ready
    assert "The server wants messages at 192.0.2.1:8000, which is not itself." in settled.server.reason


async def test_a_wrong_path_is_named(client: DtmaClient, http_image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, http_spec(http_image, "sdk", "sse", transport=SseTransport(port=8000, path="/events")))
    assert not settled.ready
    assert "HTTP 404 where its event stream should be: check the path" in settled.server.reason
