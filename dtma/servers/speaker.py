"""The server in one container, whichever transport it speaks."""

from __future__ import annotations

from typing import Protocol

from dtma.errors import DiskFull
from dtma.mcp.bridge import Bridge
from dtma.mcp.connection import Connection, Era
from dtma.mcp.handshake import greet, list_tools
from dtma.store import Home
from mcp_protocol.messages import Message


class Speaker(Protocol):
    """What a container that was started, or found running, is spoken to through."""

    async def greet(self) -> Message:
        """The server's ``InitializeResult``, or its ``DiscoverResult`` if it speaks the stateless era alone. Raises ``Failure``."""

    async def list_tools(self, opening: Message) -> tuple[Message, ...]:
        """All tools as it gives them; raises ``Failure``."""

    def attend(self) -> None:
        """It is ready."""

    async def connection(self, era: Era) -> Connection | None:
        """The connection of that era to this very container, which clients share; None if there is none. Raises ``Failure``."""


class StdioSpeaker:
    """Over its standard streams a container speaks the era of its first request alone. ``opening`` is what it said to an earlier DTMA."""

    def __init__(self, bridge: Bridge, seconds: float, opening: Message | None = None) -> None:
        self._bridge = bridge
        self._seconds = seconds
        if opening is not None:
            bridge.opening = opening
            bridge.era = era_of_opening(opening)

    async def greet(self) -> Message:
        """See ``Speaker``."""
        return await greet(self._bridge, self._seconds)

    async def list_tools(self, opening: Message) -> tuple[Message, ...]:
        """See ``Speaker``."""
        return await list_tools(self._bridge, opening, self._seconds)

    def attend(self) -> None:
        """The bridge hears what the server says by itself."""

    async def connection(self, era: Era) -> Bridge | None:
        """See ``Speaker``."""
        return self._bridge if self._bridge.era is era else None


class Program:
    """What was found out about a program: a command in an image, under whatever name. ``key`` is a hash of them."""

    def __init__(self, home: Home, key: str) -> None:
        self._home = home
        self._key = key
        self._known = {era: home.speaks(key, era) for era in Era}

    def speaks(self, era: Era) -> bool | None:
        """Whether it speaks an era; None if nobody has tried."""
        return self._known[era]

    def remember(self, era: Era, speaks: bool) -> None:
        """Let nobody have to try that again. On a full disk the next DTMA has to."""
        self._known[era] = speaks
        try:
            self._home.remember_era(self._key, era, speaks)
        except DiskFull:
            return


def era_of_opening(opening: Message) -> Era:
    """The era in which a server began: ``DiscoverResult`` has the versions, ``InitializeResult`` the one of the session."""
    return Era.STATELESS if "supportedVersions" in opening else Era.HANDSHAKE
