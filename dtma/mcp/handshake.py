"""Being a client of an MCP server: ``initialize``, ``notifications/initialized`` and all pages of ``tools/list``."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any, Protocol

from dtma import __version__
from dtma.errors import Failure
from dtma.mcp.bridge import Message, RpcError
from dtma.mcp.endpoint import VERSIONS
from dtma_wire import Phase

MAX_PAGES = 100


class Caller(Protocol):
    """Whoever carries a request to the server and its answer back."""

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The ``result`` of a request; raises ``RpcError``."""

    async def initialized(self) -> None:
        """Send ``notifications/initialized``."""


async def initialize(caller: Caller, seconds: float) -> Message:
    """The server's ``InitializeResult``; raises ``Failure``."""
    # No capability is declared: requests from servers to clients are refused for now, and honest servers then make none.
    params: Message = {
        "protocolVersion": VERSIONS[0],
        "capabilities": {},
        "clientInfo": {"name": "agentopia-dtma", "version": __version__},
    }
    try:
        async with asyncio.timeout(seconds):
            result = await caller.request("initialize", params)
            await caller.initialized()
    except TimeoutError:
        raise Failure(
            f"The server did not answer initialize within {seconds:g} s. Its log may say what it waits for.", phase=Phase.UNHEALTHY
        ) from None
    except RpcError as error:
        raise Failure(f"The server refused to initialize: {error}.", phase=Phase.UNHEALTHY) from error
    if not isinstance(result.get("protocolVersion"), str) or not isinstance(result.get("capabilities"), dict):
        raise Failure("The server answered initialize with something that is not MCP.", phase=Phase.UNHEALTHY)
    return result


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
