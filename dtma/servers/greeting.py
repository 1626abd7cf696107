"""Beginning to speak with the server in a replica, in the era that it was started for."""

from __future__ import annotations

import asyncio

from dtma.errors import Failure
from dtma.mcp.bridge import Bridge
from dtma.mcp.connection import Connection, Era
from dtma.mcp.handshake import discover, initialize
from dtma.mcp.messages import RpcError
from dtma.servers.attachment import Attachment
from dtma.servers.starting import Starter, Tools
from dtma.tasks import cancelled
from mcp_protocol.versions import STATELESS_VERSIONS, VERSIONS

DISCOVER_SECONDS = 10.0
"""How long a server that reads what it is sent may take to answer ``server/discover``. Some ignore it, which is remembered."""


class OtherEra(Failure):
    """The server does not speak the era that it was asked in."""

    def __init__(self, era: Era) -> None:
        version = STATELESS_VERSIONS[0] if era is Era.STATELESS else VERSIONS[0]
        super().__init__(f"The server does not speak MCP {version}.")


async def begin(starter: Starter, attachment: Attachment, era: Era, tools: Tools) -> Connection:
    """The connection to a server that was just started; raises ``Failure``, and ``OtherEra`` where the server spoke, but not so."""
    seconds = starter.services.config.handshake_seconds
    speaker = await starter.speaker(attachment, tools, _nobody_asks)
    if speaker is None:
        raise Failure("The container ended before its server could be spoken to.")
    if (bridge := attachment.bridge) is None:
        connection = await speaker.connection(era)
        if connection is None:
            raise OtherEra(era)
        return connection
    if era is Era.STATELESS:
        await _discover(bridge, seconds)
        return bridge
    try:
        bridge.opening = await initialize(bridge, seconds)
    except Failure as failure:
        if isinstance(failure.__cause__, RpcError):
            raise OtherEra(era) from failure
        raise
    return bridge


async def _discover(bridge: Bridge, seconds: float) -> None:
    asked = asyncio.create_task(discover(bridge, seconds))
    # A slow start must not be taken for silence: the time counts from when the server answers anything at all.
    reached = asyncio.create_task(_reach(bridge))
    try:
        await asyncio.wait({asked, reached}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({asked}, timeout=DISCOVER_SECONDS)
        if not asked.done():
            raise OtherEra(Era.STATELESS)
        asked.result()
    except Failure as failure:
        raise OtherEra(Era.STATELESS) from failure
    finally:
        await cancelled(reached)
        await cancelled(asked)


async def _reach(bridge: Bridge) -> None:
    try:
        await bridge.request("ping")
    except RpcError:
        return


def _nobody_asks() -> None:
    """The tools of the server are those of its first container."""
