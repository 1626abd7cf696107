"""Whether a server answers: how quickly, and what it says that it can do. It is asked through its toolbox; no tool is called."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from agentopia.lib.errors import AgentopiaError
from dtma_client import DtmaClient, DtmaError, McpError
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, endpoint_of, wait_for

PINGS = 3
PING_SECONDS = 10.0
CAPABILITIES = {
    "tools": "tools",
    "resources": "resources",
    "prompts": "prompts",
    "completions": "completions",
    "logging": "logging",
    "tasks": "tasks",
}
"""What MCP names, in the order in which it is told."""


@dataclass(frozen=True)
class Probe:
    """What came of it; ``start`` and ``latency`` in seconds: to begin a session, and for the median of a few pings."""

    start: float
    latency: float
    name: str
    version: str
    protocol: str
    capabilities: list[str]


def probe(server: McpServer) -> Probe:
    """Ask the server; raises an `AgentopiaError` where there is no answer."""
    try:
        return wait_for(_probe, server)
    except McpError as error:
        told = AgentopiaError(f"“{server.name}” answered with an error: {error.message}", code="mcp_error")
        told.http_status = 502
        raise told from error
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error


async def _probe(server: McpServer) -> Probe:
    endpoint, began = await endpoint_of(server.toolbox), time.perf_counter()
    async with DtmaClient(endpoint) as dtma:  # a connection of its own: the one that is kept would have begun long ago
        session = dtma.mcp(str(server.pk))
        try:
            said = await session.initialize()
            start, pings = time.perf_counter() - began, []
            for _ in range(PINGS):
                began = time.perf_counter()
                await session.request("ping", timeout=PING_SECONDS)
                pings.append(time.perf_counter() - began)
        finally:
            await session.aclose()
    about: dict[str, Any] = found if isinstance(found := said.get("serverInfo"), dict) else {}
    return Probe(
        start=start,
        latency=statistics.median(pings),
        name=str(about.get("title") or about.get("name") or "")[:200],
        version=str(about.get("version") or "")[:100],
        protocol=str(said.get("protocolVersion") or "")[:40],
        capabilities=_words(said.get("capabilities")),
    )


def _words(capabilities: Any) -> list[str]:
    given = capabilities if isinstance(capabilities, dict) else {}
    return [_with_extras(word, given[key]) for key, word in CAPABILITIES.items() if key in given]


def _with_extras(word: str, given: Any) -> str:
    extras = {"listChanged": "tells of changes", "subscribe": "can be subscribed to"}
    found = [text for key, text in extras.items() if isinstance(given, dict) and given.get(key) is True]
    return f"{word} ({', '.join(found)})" if found else word
