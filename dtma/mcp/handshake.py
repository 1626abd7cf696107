"""Being a client of an MCP server: how it is greeted in either era, and all pages of ``tools/list``."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any, Protocol

from dtma.errors import Failure
from dtma.mcp.connection import Era
from dtma.mcp.messages import RpcError
from dtma.mcp.versions import OURSELVES
from dtma_wire import Phase
from mcp_protocol.messages import Message
from mcp_protocol.versions import STATELESS_VERSIONS, VERSIONS

MAX_PAGES = 100

CAPABILITIES: Message = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}}
"""What servers of the handshake era may ask. Each question is put only to a client that offers it too."""


class Caller(Protocol):
    """Whoever carries a request to the server and its answer back."""

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The ``result`` of a request; raises ``RpcError``."""

    async def initialized(self) -> None:
        """Send ``notifications/initialized``."""


class Stream(Caller, Protocol):
    """A caller that carries either era, and remembers which one and what the server said."""

    era: Era
    opening: Message


async def greet(stream: Stream, seconds: float) -> Message:
    """Begin in the handshake era, and where the server refuses that, in the stateless one; sets ``era`` and ``opening``.

    A server that speaks both keeps to the era of the first request on a stream. Raises ``Failure``.
    """
    try:
        stream.opening = await _initialize(stream, seconds)
    except RpcError as refusal:
        try:
            return await discover(stream, seconds)
        except Failure:
            raise _unwilling(refusal) from refusal
    return stream.opening


async def discover(stream: Stream, seconds: float) -> Message:
    """Begin in the stateless era; sets ``era`` and ``opening``. Raises ``Failure``."""
    stream.era = Era.STATELESS
    try:
        async with asyncio.timeout(seconds):
            result = await stream.request("server/discover")
    except TimeoutError:
        raise Failure(f"The server did not answer server/discover within {seconds:g} s.", phase=Phase.UNHEALTHY) from None
    except RpcError as error:
        raise Failure(f"The server refused server/discover: {error}.", phase=Phase.UNHEALTHY) from error
    versions = result.get("supportedVersions")
    spoken = isinstance(versions, list) and STATELESS_VERSIONS[0] in versions
    if not spoken or not isinstance(result.get("capabilities"), dict):
        raise Failure(f"The server answered server/discover, but does not speak MCP {STATELESS_VERSIONS[0]}.", phase=Phase.UNHEALTHY)
    stream.opening = result
    return result


async def initialize(caller: Caller, seconds: float) -> Message:
    """The server's ``InitializeResult``; raises ``Failure``."""
    try:
        return await _initialize(caller, seconds)
    except RpcError as error:
        raise _unwilling(error) from error


async def _initialize(caller: Caller, seconds: float) -> Message:
    params: Message = {"protocolVersion": VERSIONS[0], "capabilities": CAPABILITIES, "clientInfo": OURSELVES}
    try:
        async with asyncio.timeout(seconds):
            result = await caller.request("initialize", params)
            await caller.initialized()
    except TimeoutError:
        raise Failure(
            f"The server did not answer initialize within {seconds:g} s. Its log may say what it waits for.", phase=Phase.UNHEALTHY
        ) from None
    if not isinstance(result.get("protocolVersion"), str) or not isinstance(result.get("capabilities"), dict):
        raise Failure("The server answered initialize with something that is not MCP.", phase=Phase.UNHEALTHY)
    return result


def _unwilling(error: RpcError) -> Failure:
    return Failure(f"The server refused to initialize: {error}.", phase=Phase.UNHEALTHY)


async def list_tools(caller: Caller, initialize_result: Message, seconds: float) -> tuple[Message, ...]:
    """All tools of the server, as it gave them; none if it says that it has none. Raises ``Failure``."""
    if "tools" not in initialize_result["capabilities"]:
        return ()
    tools: list[Message] = []
    params: Message | None = None
    try:
        async with asyncio.timeout(seconds):
            for _ in range(MAX_PAGES):
                page = await caller.request("tools/list", params)
                listed = page.get("tools")
                if not isinstance(listed, list) or not all(isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in listed):
                    raise Failure("The server answered tools/list with something that is not MCP.", phase=Phase.UNHEALTHY)
                tools += listed
                cursor = page.get("nextCursor")
                if cursor is None:
                    return tuple(tools)
                params = {"cursor": cursor}
    except TimeoutError:
        raise Failure(f"The server did not answer tools/list within {seconds:g} s.", phase=Phase.UNHEALTHY) from None
    except RpcError as error:
        raise Failure(f"The server did not list its tools: {error}.", phase=Phase.UNHEALTHY) from error
    raise Failure(f"The server's list of tools does not end: {MAX_PAGES} pages were read.", phase=Phase.UNHEALTHY)


def tools_hash(tools: tuple[dict[str, Any], ...]) -> str:
    """SHA-256 (hex) of the definitions, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(tools, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
