"""Servers that speak HTTP in their container, for clients of the era that the server speaks too: everything passes through."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult, ElicitResult

from dtma_client import DtmaClient
from tests.dtma.agent import Agent, deploy, eventually, ready, say, sdk_client
from tests.dtma.http.calls import COST, MEGABYTE, call, http_spec, raw, stateless_call, text_of, told


@pytest.fixture
async def both(client: DtmaClient, http_image: str, server_id: str) -> str:
    """A server on the SDK that speaks both eras."""
    await ready(client, server_id, http_spec(http_image, "sdk", "both"))
    return server_id


@pytest.fixture
async def odd(client: DtmaClient, http_image: str, server_id: str) -> str:
    await ready(client, server_id, http_spec(http_image, "odd", "plain"))
    return server_id


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_server_of_both_eras_is_spoken_to_in_the_clients(agent: Agent, both: str, mode: Any, version: str) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with sdk_client(agent, both, mode=mode) as sdk:
        assert sdk.protocol_version == version
        assert (await told(sdk))["version"] == version
        assert text_of(await sdk.call_tool("slow", {"size": 3}, progress_callback=hear)) == "done"
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_five_megabytes_pass_both_ways(agent: Agent, both: str, mode: Any) -> None:
    async with sdk_client(agent, both, mode=mode) as sdk:
        assert text_of(await sdk.call_tool("big", {"size": 5 * MEGABYTE})) == "x" * 5 * MEGABYTE
        text = "é" * (5 * MEGABYTE // 2)
        assert text_of(await sdk.call_tool("echo", {"text": text})) == text


async def test_the_server_is_sent_its_own_host_and_no_credential(agent: Agent, odd: str) -> None:
    async with (
        raw(agent) as session,
        session.post(
            f"/v1/servers/{odd}/mcp",
            json=call("headers"),
            headers={"Cookie": "a=b", "X-Api-Key": "k", "Mcp-Param-Region": "eu", "Proxy-Authorization": "Basic eA=="},
        ) as response,
    ):
        result = (await response.json())["result"]
        assert "Set-Cookie" not in response.headers
    sent = {name.lower(): value for name, value in json.loads(result["content"][0]["text"])}
    assert sent.pop("host") == "localhost:8000"
    assert sent.pop("mcp-param-region") == "eu"
    assert set(sent) == {"accept", "accept-encoding", "content-length", "content-type"}
    assert sent["accept-encoding"] == "identity"


async def test_not_a_byte_of_what_dtma_does_not_know_changes(agent: Agent, client: DtmaClient, odd: str) -> None:
    state = await client.server(odd)
    assert state.tools is not None
    assert state.tools[0]["x-unknown"] == {"kept": True}
    async with raw(agent) as session:
        async with session.post(f"/v1/servers/{odd}/mcp", json={"jsonrpc": "2.0", "id": "a", "method": "ping"}) as response:
            assert await response.read() == b'{ "result" : {}, "id":"a","jsonrpc":"2.0", "x":1.50}'
        async with session.post(f"/v1/servers/{odd}/mcp", json=call("headers")) as response:
            body = await response.read()
        assert body.endswith(b', "x-unknown": 1}, "id":7,"jsonrpc":"2.0", "x":1.50}')
        assert body.startswith(b'{ "result" : {"_meta":{"io.agentopia/cost":')
        async with session.post(f"/v1/servers/{odd}/mcp", json=call("meta")) as response:
            meta = (await response.json())["result"]["_meta"]
    assert meta["com.example/kept"] == 1
    assert meta[COST]["cpu_seconds"] >= 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_result_says_what_the_call_cost(agent: Agent, both: str, mode: Any) -> None:
    async with sdk_client(agent, both, mode=mode) as sdk:
        result = await sdk.call_tool("slow", {"size": 2})
        assert isinstance(result, CallToolResult)
        assert result.meta is not None
        assert result.meta[COST]["shared"] is False
        assert result.meta["com.example/kept"] == {"x": 1}


async def test_a_question_in_the_middle_of_a_call_reaches_the_client(agent: Agent, both: str) -> None:
    async def answer(context: Any, params: Any) -> Any:
        return ElicitResult(action="accept", content={"name": "Ada"})

    for mode in ("legacy", "auto"):
        async with sdk_client(agent, both, mode=mode, elicitation_callback=answer) as sdk:
            assert text_of(await sdk.call_tool("ask", {})) == "accept Ada"


async def test_a_stateless_client_that_leaves_cancels_its_call(agent: Agent, both: str) -> None:
    async with raw(agent) as session, session.post(f"/v1/servers/{both}/mcp", **stateless_call("slow", size=600)) as response:
        while b"step 1" not in await response.content.readline():
            pass
    async with sdk_client(agent, both, mode="auto") as sdk:

        async def cancelled() -> bool:
            return (await told(sdk))["cancelled"] == ["slow"]

        await eventually(cancelled)


async def test_a_handshake_client_that_cancels_is_heard(agent: Agent, client: DtmaClient, both: str) -> None:
    under_way = asyncio.Event()

    async def hear(progress: float, total: float | None, message: str) -> None:
        under_way.set()

    leaving = asyncio.create_task(client.mcp(both).call_tool("slow", {"size": 600}, 90, hear))
    await asyncio.wait_for(under_way.wait(), 10)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    async def cancelled() -> bool:
        return bool(json.loads(await say(client, both, "told"))["cancelled"] == ["slow"])

    await eventually(cancelled)


@pytest.mark.parametrize("era", ["both", "handshake", "stateless"])
async def test_changed_tools_are_seen(client: DtmaClient, http_image: str, server_id: str, era: str) -> None:
    before = await ready(client, server_id, http_spec(http_image, "sdk", era))
    await client.mcp(server_id).call_tool("change", {})

    async def changed() -> bool:
        return (await client.server(server_id)).tools_hash != before.tools_hash

    await eventually(changed)
    assert "added" in {tool["name"] for tool in (await client.server(server_id)).tools or ()}


async def test_a_server_that_dies_in_the_middle_is_an_error_and_no_hang(agent: Agent, both: str) -> None:
    path = f"/v1/servers/{both}/mcp"
    async with raw(agent) as session, session.post(path, **stateless_call("slow", size=600)) as stream:
        while b"step 1" not in await stream.content.readline():
            pass
        async with session.post(path, **stateless_call("die")) as response:
            assert response.status == 502
            answer = await response.json()
        last = json.loads((await stream.content.read()).rpartition(b"data: ")[2])
    for error in (answer, last):
        assert error["id"] == 7
        assert "does not answer" in error["error"]["message"]


@pytest.mark.parametrize(
    ("tool", "status", "body"),
    [
        ("garbage", 200, b'{"jsonrpc":"2.0","id":'),
        ("lists", 200, b"[1, 2]"),
        ("error", 500, b"Internal Server Error"),
        ("compressed", 200, b"not really"),
    ],
)
async def test_what_is_no_result_passes_as_it_is(agent: Agent, odd: str, tool: str, status: int, body: bytes) -> None:
    async with raw(agent) as session:
        session._auto_decompress = False
        async with session.post(f"/v1/servers/{odd}/mcp", json=call(tool)) as response:
            assert (response.status, await response.read()) == (status, body)


async def test_a_head_passes_although_nothing_follows(agent: Agent, odd: str) -> None:
    async with raw(agent) as session, asyncio.timeout(10), session.post(f"/v1/servers/{odd}/mcp", json=call("begun")) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")


async def test_an_answer_ends_with_the_response_even_if_the_servers_stream_does_not(agent: Agent, odd: str) -> None:
    async with raw(agent) as session, asyncio.timeout(10), session.post(f"/v1/servers/{odd}/mcp", json=call("lingering")) as response:
        kind, data, *end = (await response.read()).split(b"\r\n")
    assert (kind, end) == (b"event: message", [b"", b""])
    assert json.loads(data.removeprefix(b"data:"))["result"]["_meta"][COST]["shared"] is False


async def test_an_answer_beyond_the_largest_message_passes_without_its_cost(agent: Agent, odd: str) -> None:
    async with raw(agent) as session, session.post(f"/v1/servers/{odd}/mcp", json=call("huge")) as response:
        result = (await response.json())["result"]
    assert result == {"content": [{"type": "text", "text": "x" * 33 * MEGABYTE}]}


def kernel_buffers() -> int:
    """What the two ends of a connection may hold between them, in bytes."""
    return sum(int(Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text().split()[-1]) for way in "rw")


async def test_a_client_that_does_not_read_stops_the_server(agent: Agent, client: DtmaClient, odd: str) -> None:
    async with raw(agent) as session, session.post(f"/v1/servers/{odd}/mcp", json=call("flood")) as response:
        await response.content.readline()
        before, written = -1, int(await say(client, odd, "flooded"))
        while written != before or written == 0:  # until it is stopped
            await asyncio.sleep(0.5)
            before, written = written, int(await say(client, odd, "flooded"))
    assert 0 < written < 2 * kernel_buffers() + 8 * MEGABYTE


async def test_an_event_that_broke_off_is_never_taken_for_a_whole_one(agent: Agent, odd: str) -> None:
    async with raw(agent) as session, session.post(f"/v1/servers/{odd}/mcp", json=call("cut")) as response:
        events = [json.loads(line[5:]) for line in (await response.read()).splitlines() if line.startswith(b"data:")]
    assert [event.get("method") for event in events] == ["notifications/message", None]
    assert events[1]["id"] == 7
    assert "does not answer" in events[1]["error"]["message"]


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("redirect", "It redirects to /elsewhere: its transport needs that path"),
        ("html", "HTTP 200 and no MCP message"),
    ],
)
async def test_a_server_that_is_none_says_what_is_wrong(
    client: DtmaClient, http_image: str, server_id: str, mode: str, reason: str
) -> None:
    _, settled = await deploy(client, server_id, http_spec(http_image, "odd", mode))
    assert not settled.ready
    assert reason in settled.server.reason


async def test_a_server_that_never_answers_is_given_up(make_agent: Callable[..., Agent], http_image: str, server_id: str) -> None:
    agent = make_agent(handshake_seconds=6).start()
    async with DtmaClient(agent.endpoint) as client:
        _, settled = await deploy(client, server_id, http_spec(http_image, "odd", "silent"))
        await client.delete(server_id)
    assert not settled.ready
    assert "did not answer initialize within 6 s" in settled.server.reason


async def test_a_message_beyond_the_largest_is_refused(agent: Agent, odd: str) -> None:
    async with raw(agent) as session, session.post(f"/v1/servers/{odd}/mcp", data=io.BytesIO(b" " * 33 * MEGABYTE)) as response:
        assert response.status == 413
        assert "at most 32 MB" in (await response.json())["error"]["message"]


async def test_an_answer_of_another_site_is_refused(agent: Agent, both: str) -> None:
    async with (
        raw(agent) as session,
        session.post(f"/v1/servers/{both}/mcp", data=b"{", headers={"Origin": "https://evil.example"}) as response,
    ):
        assert response.status == 403
