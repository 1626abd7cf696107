"""Containers of one server beyond the first: for clients of the other era, and for client sessions of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from docker import DockerClient
from mcp_types import TextContent

from dtma_client import DtmaClient
from dtma_wire import HttpTransport, Phase, ServerSpec, ServerState, Sessions, SseTransport
from tests.dtma.agent import Agent, eventually, ready, say, sdk_client, spec_of, until

STATELESS = "2026-07-28"
HANDSHAKE = "2025-11-25"


def both(image: str, *arguments: str, **sessions: Any) -> ServerSpec:
    """A server that speaks both eras, one on each stream."""
    return spec_of(image, "both", *arguments, sessions=Sessions(**sessions))


def names(engine: DockerClient, server_id: str) -> set[str]:
    """Of all containers of a server, without the part that is the same for all."""
    found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"}, ignore_removed=True)
    return {str(container.name).removeprefix(f"agentopia-{server_id}") for container in found}


def containers(engine: DockerClient, server_id: str) -> set[str]:
    """The ids of all containers of a server."""
    found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"}, ignore_removed=True)
    return {str(container.id) for container in found}


async def remarks(client: DtmaClient, server_id: str) -> list[str]:
    """What DTMA said in a server's log of containers beyond the first."""
    lines = [line async for batch in client.logs(server_id) for line in batch]
    return [line.text for line in lines if line.stream == "dtma" and line.text.startswith("Container r")]


async def printed(client: DtmaClient, server_id: str, text: str) -> bool:
    """Whether a server has printed this line."""
    return text in [line.text async for batch in client.logs(server_id) for line in batch]


async def running(client: DtmaClient, server_id: str) -> ServerState:
    """Its state once it runs."""

    async def state() -> ServerState | None:
        found = await client.server(server_id)
        return found if found.phase is Phase.RUNNING else None

    found = await eventually(state, 60)
    assert found is not None
    return found


async def text_of(client: Any, tool: str, **arguments: Any) -> str:
    """What a tool answers the SDK's client."""
    content = (await client.call_tool(tool, arguments)).content[0]
    assert isinstance(content, TextContent)
    return content.text


class Session:
    """An MCP session of the handshake era, over plain HTTP: so that its status and headers can be looked at."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Accept": "application/json, text/event-stream"}
        self.status = 0
        self.answer_headers: dict[str, str] = {}

    async def begin(self) -> dict[str, Any]:
        """``initialize``; the whole JSON-RPC answer."""
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        answer = await self.send("initialize", params)
        self._headers |= {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": self.answer_headers.get("mcp-session-id", "")}
        return answer

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """``tools/call``; the whole JSON-RPC answer."""
        return await self.send("tools/call", {"name": tool, "arguments": arguments})

    async def say(self, tool: str, **arguments: Any) -> str:
        """The text that a tool answers."""
        return str((await self.call(tool, **arguments))["result"]["content"][0]["text"])

    async def end(self) -> None:
        """DELETE."""
        async with self._http.delete(self._url, headers=self._headers) as response:
            assert response.status == 200

    async def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A request; ``status`` and ``answer_headers`` are those of its answer."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._http.post(self._url, json=message, headers=self._headers) as response:
            self.status = response.status
            self.answer_headers = {name.lower(): value for name, value in response.headers.items()}
            text = await response.text()
        if response.content_type == "text/event-stream":
            text = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")][-1]
        return dict(json.loads(text))


@asynccontextmanager
async def sessions(agent: Agent, server_id: str, count: int) -> AsyncIterator[list[Session]]:
    """So many sessions that have not begun."""
    async with agent.http(timeout=aiohttp.ClientTimeout(total=60)) as http:
        yield [Session(http, f"/v1/servers/{server_id}/mcp") for _ in range(count)]


# --- clients of the other era ---


async def test_clients_of_both_eras_are_served_at_once_from_two_containers(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image))
    first = await say(client, server_id, "session")
    assert names(engine, server_id) == {""}

    async def of_the_other_era() -> tuple[str, str]:
        async with sdk_client(agent, server_id, mode=STATELESS) as sdk:
            return await text_of(sdk, "era"), await text_of(sdk, "session")

    answers = await asyncio.gather(
        *(of_the_other_era() for _ in range(10)), say(client, server_id, "era"), say(client, server_id, "session")
    )
    assert answers[-2:] == ["handshake", first]
    assert {answer[0] for answer in answers[:-2]} == {"stateless"}
    assert len({answer[1] for answer in answers[:-2]}) == 1
    assert names(engine, server_id) == {"", ".r1"}
    labels = engine.containers.get(f"agentopia-{server_id}.r1").labels
    assert {**labels, "io.agentopia.replica": ""} == {**engine.containers.get(f"agentopia-{server_id}").labels, "io.agentopia.replica": ""}
    assert labels["io.agentopia.replica"] == "1"
    assert await remarks(client, server_id) == [f"Container r1 started for clients of MCP {STATELESS}."]


async def test_a_server_on_the_official_sdk_speaks_to_each_client_in_its_own_era(
    agent: Agent, client: DtmaClient, http_image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, spec_of(http_image, "sdk_stdio"))
    async with sdk_client(agent, server_id, mode="legacy") as old, sdk_client(agent, server_id, mode=STATELESS) as new:
        assert [await text_of(old, "era"), await text_of(new, "era")] == ["handshake", "stateless"]
        assert await text_of(old, "session") != await text_of(new, "session")
    assert names(engine, server_id) == {"", ".r1"}


async def test_the_container_for_the_other_era_ends_when_nobody_uses_it(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image, idle_seconds=1))
    async with sdk_client(agent, server_id, mode=STATELESS) as sdk:
        first = await text_of(sdk, "session")
        assert await text_of(sdk, "sleep", seconds=2.5) == "slept"  # a call that is open is use
        until(lambda: names(engine, server_id) == {""}, 20)
        assert await text_of(sdk, "session") != first
    assert await remarks(client, server_id) == [
        f"Container r1 started for clients of MCP {STATELESS}.",
        "Container r1 ends: Nobody used it for 1 s.",
        f"Container r2 started for clients of MCP {STATELESS}.",
    ]


async def test_a_server_of_one_era_is_asked_once_and_translated(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        await ready(client, server_id, both(image, "never"))
        for _ in range(2):
            async with sdk_client(agent, server_id, mode=STATELESS) as sdk:
                assert await text_of(sdk, "era") == "handshake"
        agent.kill()
        agent.start()
        await running(client, server_id)
        async with sdk_client(agent, server_id, mode=STATELESS) as sdk:
            assert await text_of(sdk, "era") == "handshake"
        assert await remarks(client, server_id) == [f"Container r1 ends: The server does not speak MCP {STATELESS}."]
    until(lambda: names(engine, server_id) == {""})


async def test_a_server_that_crashes_at_the_other_era_is_translated_and_not_started_in_a_loop(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image, "crash"))
    async with sdk_client(agent, server_id, mode=STATELESS) as sdk:
        for _ in range(20):
            assert await text_of(sdk, "era") == "handshake"
    said = await remarks(client, server_id)
    assert 1 <= len(said) <= 5
    assert said[0].startswith("Container r1 ends: The server exited with code 3 right after it started.")
    until(lambda: names(engine, server_id) == {""})


# --- a container for each session ---


async def test_sessions_have_containers_of_their_own(agent: Agent, client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, both(image, mode="own", most=2))
    async with sessions(agent, server_id, 2) as (one, two):
        await one.begin()
        await two.begin()
        assert await one.say("keep", text="of one") == '["of one"]'
        assert await two.say("keep", text="of two") == '["of two"]'
        assert await one.say("keep", text="more") == '["of one", "more"]'
        assert await one.say("session") != await two.say("session")


async def test_a_spare_container_waits_for_the_next_session(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image, mode="own", most=2))
    ahead = "started ahead for the next client session."

    async def waits(number: int) -> bool:
        return f"Container r{number} {ahead}" in await remarks(client, server_id)

    await eventually(lambda: waits(1), 30)
    async with sessions(agent, server_id, 2) as (one, two):
        await one.begin()
        await eventually(lambda: waits(2), 30)
        await two.begin()
        assert names(engine, server_id) == {"", ".r1", ".r2"}  # the spare one counts: there is room for no other
    assert await remarks(client, server_id) == [
        f"Container r1 {ahead}",
        "Container r1 is used for a client session from now on.",
        f"Container r2 {ahead}",
        "Container r2 is used for a client session from now on.",
    ]


async def test_more_sessions_than_the_server_may_have_are_refused_until_one_ends(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image, mode="own", most=2))
    async with sessions(agent, server_id, 3) as (one, two, three):
        await one.begin()
        await two.begin()
        refused = await three.begin()
        assert three.status == 503
        assert int(three.answer_headers["retry-after"]) > 0
        assert refused["error"]["message"] == (
            "All 2 containers that this server may have for client sessions are in use. "
            "Try again when a session has ended, or allow the server more."
        )
        gone = await one.say("session")
        await one.end()
        await three.begin()
        assert three.status == 200
        assert await three.say("session") not in (gone, await two.say("session"))
        until(lambda: len(names(engine, server_id)) == 3)
        await one.call("session")
        assert one.status == 404


async def test_a_session_that_nobody_uses_ends_and_its_place_is_free(agent: Agent, client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, both(image, mode="own", most=1, idle_seconds=1))
    async with sessions(agent, server_id, 2) as (one, two):
        await one.begin()
        assert await one.say("sleep", seconds=2.5) == "slept"

        async def begins() -> bool:
            await two.begin()
            return two.status == 200

        await eventually(begins, 30)
        lost = await one.call("session")
        assert one.status == 404
        assert lost["error"]["message"] == "The container of this MCP session has ended: Nobody used it for 1 s. Initialize again."
        await one.call("session")
        assert one.status == 404


async def test_what_is_the_same_for_all_comes_from_the_first_container(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    """Clients of the stateless era have no session, and so no container of their own."""
    await ready(client, server_id, both(image, "never", mode="own", most=1))
    until(lambda: names(engine, server_id) == {"", ".r1"}, 30)
    async with sessions(agent, server_id, 1) as (one,), sdk_client(agent, server_id, mode=STATELESS) as sdk:
        await one.begin()
        assert await text_of(sdk, "keep", text="shared") == '["shared"]'
        assert await one.say("keep", text="own") == '["own"]'


async def test_a_container_killed_from_outside_fails_its_calls_and_the_next_session_works(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, both(image, mode="own", most=1))
    async with sessions(agent, server_id, 2) as (one, two):
        await one.begin()
        await one.say("session")
        open_call = asyncio.create_task(one.call("sleep", seconds=60))
        (container,) = names(engine, server_id) - {""}
        await eventually(lambda: printed(client, server_id, "sleeping"), 30)
        engine.containers.get(f"agentopia-{server_id}{container}").kill()
        failed = await open_call
        assert "The server exited with code 137 while it was running." in failed["error"]["message"]
        await one.call("session")
        assert one.status == 404
        await two.begin()
        assert await two.say("keep", text="new") == '["new"]'
    assert (await client.server(server_id)).phase is Phase.RUNNING


@pytest.mark.parametrize(("speaks", "transport"), [("both", HttpTransport(port=8000)), ("sse", SseTransport(port=8000))])
async def test_sessions_of_a_server_on_the_network_have_containers_of_their_own(
    agent: Agent,
    client: DtmaClient,
    http_image: str,
    server_id: str,
    engine: DockerClient,
    speaks: str,
    transport: HttpTransport | SseTransport,
) -> None:
    spec = spec_of(http_image, "sdk", speaks, transport=transport, sessions=Sessions(mode="own", most=2))
    await ready(client, server_id, spec)
    async with sessions(agent, server_id, 3) as (one, two, three):
        await one.begin()
        await two.begin()
        await one.call("change", text="")
        assert "added" in [tool["name"] for tool in (await one.send("tools/list", {}))["result"]["tools"]]
        assert "added" not in [tool["name"] for tool in (await two.send("tools/list", {}))["result"]["tools"]]
        await three.begin()
        assert three.status == 503
        await one.end()
        await two.end()
    until(lambda: len(names(engine, server_id)) == 2, 30)  # the first and the spare one


async def test_a_container_that_hangs_fails_its_calls(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    probing = {"probe_seconds": 1, "probe_limit_seconds": 3, "probe_busy_seconds": 1, "probe_restart_seconds": 3}
    agent = make_agent(**probing).start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, both(image, mode="own", most=1))
        async with sessions(agent, server_id, 1) as (one,):
            await one.begin()
            failed = await one.call("sleep", seconds=120)
            assert "The server hung: it ran, but did not answer" in failed["error"]["message"]
            await one.call("session")
            assert one.status == 404
        state = await client.server(server_id)
        assert (state.phase, state.container) == (Phase.RUNNING, before.container)


async def test_what_all_containers_use_is_added_up(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent(stats_seconds=0.2).start()
    async with DtmaClient(agent.endpoint) as client:
        spec = both(image, mode="own", most=2)
        await ready(client, server_id, spec)

        async def counted(number: int) -> bool:
            samples = [sample async for sample in client.stats(server_id, tail=1)]
            return bool(samples) and samples[-1].containers == number

        await eventually(lambda: counted(2), 30)
        async with sessions(agent, server_id, 1) as (one,):
            await one.begin()
            await eventually(lambda: counted(3), 30)


# --- replicas go with the first container ---


async def test_a_killed_dtma_adopts_the_first_container_and_removes_the_others(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, both(image, mode="own", most=2))
        async with sessions(agent, server_id, 1) as (one,), sdk_client(agent, server_id, mode=STATELESS) as sdk:
            await one.begin()
            assert await text_of(sdk, "era") == "stateless"
            until(lambda: len(names(engine, server_id)) == 4, 30)
            lost = containers(engine, server_id) - {before.container}
            agent.kill()
        agent.start()
        after = await running(client, server_id)
        assert after.container == before.container
        until(lambda: not lost & containers(engine, server_id), 30)
        async with sessions(agent, server_id, 1) as (one,):
            await one.begin()
            assert await one.say("keep", text="new") == '["new"]'


async def test_killed_at_any_moment_there_are_no_more_containers_than_there_should_be(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, both(image, mode="own", most=3))
        for moment in (0.0, 0.03, 0.1, 0.3):
            async with sessions(agent, server_id, 2) as (one, two):
                beginning = asyncio.gather(one.begin(), two.begin(), return_exceptions=True)
                # The one place where time itself is the input: the kill must fall into the work wherever it happens to be.
                await asyncio.sleep(moment)
                agent.kill()
                await beginning
            agent.start()
            assert (await running(client, server_id)).container == before.container
            until(lambda: len(names(engine, server_id)) == 2, 30)
        agent.stop()
        assert agent.process is not None
        assert agent.process.returncode == 0, agent.output
        assert containers(engine, server_id) == {before.container}
        assert "ERROR" not in agent.output


@pytest.mark.parametrize("verb", ["stop", "restart", "delete", "put"])
async def test_all_containers_go_when_the_server_does(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient, verb: str
) -> None:
    spec = both(image, mode="own", most=2)
    await ready(client, server_id, spec)
    async with sessions(agent, server_id, 1) as (one,), sdk_client(agent, server_id, mode=STATELESS) as sdk:
        await one.begin()
        await text_of(sdk, "session")
        until(lambda: len(names(engine, server_id)) == 4, 30)
        before = containers(engine, server_id)
        match verb:
            case "put":
                await ready(client, server_id, spec.model_copy(update={"generation": 2, "environment": {"A": "1"}, "sessions": Sessions()}))
            case "delete":
                await client.delete(server_id)
            case _:
                await getattr(client, verb)(server_id)
        assert not before & containers(engine, server_id)
    assert len(names(engine, server_id)) <= (2 if verb == "restart" else 1 if verb == "put" else 0)


async def test_a_crash_of_the_first_container_ends_all_others(
    agent: Agent, client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    before = await ready(client, server_id, both(image, mode="own", most=1))
    async with sessions(agent, server_id, 1) as (one,):
        await one.begin()
        old = containers(engine, server_id)
        engine.containers.get(before.container).kill()

        async def again() -> bool:
            state = await client.server(server_id)
            return state.phase is Phase.RUNNING and state.container != before.container

        await eventually(again, 30)
        assert not old & containers(engine, server_id)
        await one.call("session")
        assert one.status == 404
        await one.begin()
        assert await one.say("keep", text="new") == '["new"]'
