"""Sessions of the handshake era at one server's address: what a server has said of itself once is answered at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from agents.relay import RawAnswer, Relay
from agents.services.grants import grant
from agents.toolsets.types import OfferedServer
from dtma_client import DtmaClient
from gateway import spares
from gateway.sessions import Leg
from gateway.upstream import Upstream
from mcp_protocol.messages import Message
from tests.dtma.agent import eventually
from tests.dtma.conftest import http_image
from tests.dtma.http.calls import http_spec
from tests.dtma.mcp_raw import Raw
from tests.gateway.conftest import Place
from tests.gateway.place import deployed

__all__ = ["http_image"]

SDK = "/mcp/helper/sdk"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def sdk(place: Place, http_image: str) -> str:
    """A server on the official SDK, which answers nothing before it was told that the handshake is over; its id."""

    def connect() -> str:
        servers = deployed(place.host, place.toolbox, place.entry, sdk=http_spec(http_image, "sdk", "handshake"))
        grant(owner=place.owner, agent_id=place.agent.pk, server_id=servers["sdk"].pk, approval="never")
        return str(servers["sdk"].pk)

    return await place.do(connect)


def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The sessions that are begun at servers from now on, and those that are left."""
    begun, left = [], []
    initialize, send = Upstream.initialize, Relay.send

    async def and_note(self: Upstream, server: OfferedServer, params: Message) -> tuple[Leg, Message]:
        leg, result = await initialize(self, server, params)
        begun.append(leg.session_id)
        return leg, result

    async def and_note_too(self: Relay, toolbox: UUID, server: UUID, method: bytes, headers: bytes, body: bytes = b"") -> RawAnswer:
        if method == b"DELETE":
            left.append(next(one for one in begun if one.encode() in headers))
        return await send(self, toolbox, server, method, headers, body)

    monkeypatch.setattr(Upstream, "initialize", and_note)
    monkeypatch.setattr(Relay, "send", and_note_too)
    return begun, left


async def holds(it: bool) -> bool:
    return it


async def opened(http: aiohttp.ClientSession, name: str = "raw") -> tuple[int, Any]:
    """The status and the answer to `initialize`, as one of these clients says it."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}}
    async with http.post(SDK, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}) as answer:
        return answer.status, await answer.json()


async def test_later_sessions_are_as_good_as_the_first(http: aiohttp.ClientSession, sdk: str) -> None:
    first = await Raw(http, SDK).begin()
    assert await first.post({"method": "notifications/initialized"}) == 202
    assert await first.call("echo", text="one") == "one"
    later = [await Raw(http, SDK).begin() for _ in range(3)]
    assert [one.opening for one in later] == [first.opening] * 3
    assert len({one.session["Mcp-Session-Id"] for one in [first, *later]}) == 4
    for one in later:
        assert await one.post({"method": "notifications/initialized"}) == 202
    assert await asyncio.gather(*(one.call("echo", text=str(number)) for number, one in enumerate(later))) == ["0", "1", "2"]
    hasty = await Raw(http, SDK).begin()
    assert await hasty.call("echo", text="at once") == "at once"
    for one in [first, *later, hasty]:
        async with http.delete(SDK, headers=one.session) as response:
            assert response.status == 200


async def test_one_session_waits_at_the_server_for_the_next_client(
    http: aiohttp.ClientSession, sdk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is begun after somebody's first request, taken by one client who begins alike, and ended where nobody comes."""
    begun, left = watched(monkeypatch)
    first = await Raw(http, SDK).begin()
    assert (len(begun), left) == (1, [])
    assert await first.call("echo", text="one") == "one"
    await eventually(lambda: holds(len(begun) == 2))
    assert await first.call("echo", text="two") == "two"
    later = [await Raw(http, SDK).begin() for _ in range(2)]
    assert len({one.session["Mcp-Session-Id"] for one in [first, *later]}) == 3
    await eventually(lambda: holds(len(begun) == 3))  # for the second none waited
    monkeypatch.setattr(spares, "KEPT_SECONDS", 0.01)
    assert await later[0].call("echo", text="three") == "three"
    await eventually(lambda: holds(len(left) == 1))
    assert (len(begun), left) == (4, [begun[-1]])


async def test_a_session_that_waited_is_gone_with_the_server(
    http: aiohttp.ClientSession, place: Place, sdk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, _ = watched(monkeypatch)
    first = await Raw(http, SDK).begin()
    assert await first.call("echo", text="one") == "one"
    await eventually(lambda: holds(len(begun) == 2))
    async with DtmaClient(place.host.endpoint) as client:
        await client.stop(sdk)
        await client.start(sdk)
    assert await (await Raw(http, SDK).begin()).call("echo", text="again") == "again"


async def test_a_server_that_went_away_meanwhile(http: aiohttp.ClientSession, place: Place, sdk: str) -> None:
    assert (await opened(http))[0] == 200
    async with DtmaClient(place.host.endpoint) as client:
        await client.stop(sdk)
        raw = await Raw(http, SDK).begin()
        result = (await raw.request("tools/call", {"name": "echo", "arguments": {"text": "a"}}))["result"]
        assert result["isError"]
        assert (await opened(http))[0] == 503  # nothing is known of it now
        assert (await opened(http, "another"))[0] == 503
        await client.start(sdk)
    assert await raw.call("echo", text="again") == "again"
    assert (await opened(http))[0] == 200
