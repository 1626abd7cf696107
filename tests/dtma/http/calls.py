"""What the tests of HTTP servers have in common."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from mcp import Client
from mcp_types import CallToolResult, TextContent

from dtma_wire import HttpTransport, ServerSpec
from tests.dtma.agent import Agent, spec_of

MEGABYTE = 1024 * 1024
COST = "io.agentopia/cost"
STATELESS = {"Mcp-Protocol-Version": "2026-07-28"}


def http_spec(image: str, script: str, *arguments: str, **changes: Any) -> ServerSpec:
    return spec_of(image, script, *arguments, **{"transport": HttpTransport(port=8000), **changes})


def text_of(result: Any) -> str:
    assert isinstance(result, CallToolResult), result
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


@asynccontextmanager
async def raw(agent: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    async with agent.http(headers=headers) as session:
        yield session


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def stateless_call(tool: str, **arguments: Any) -> dict[str, Any]:
    """The request of a tool in the stateless era, as arguments of ``session.post``."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}, "progressToken": 1}
    message = call(tool, **arguments)
    message["params"]["_meta"] = meta
    return {"json": message, "headers": STATELESS | {"Mcp-Method": "tools/call", "Mcp-Name": tool}}


async def told(sdk: Client) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(text_of(await sdk.call_tool("told", {})))
    return about
