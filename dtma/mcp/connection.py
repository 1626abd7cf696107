"""What the endpoint needs of a server, whichever transport and era of MCP the server speaks.

*Handshake* is 2024-11-05 to 2025-11-25: ``initialize``, sessions, requests from the server in the middle of a call. *Stateless* is
2026-07-28: every request carries its version and capabilities, and what the server wants to know is part of its result.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from mcp_protocol.messages import Message


class Era(StrEnum):
    """The two kinds of MCP. A connection speaks one of them for as long as it lives."""

    HANDSHAKE = "handshake"
    STATELESS = "stateless"


class Client(Protocol):
    """Whoever's requests these are: an MCP session, or a single request where the era has no sessions. Compared by identity."""

    capabilities: Message
    """The ``ClientCapabilities`` that it declared."""
    info: Message
    """The ``Implementation`` that it says it is; empty where it says nothing."""

    def put(self, message: Message) -> None:
        """A notification for this client alone that belongs to no open request, such as a resource it watches."""


class Busy(Exception):
    """No further container may be started for a client; the message says why and what to do."""


class Gone(Exception):
    """The container of a session ended, and what it kept is lost, so the session must end too; the message says why."""


class Exchange(Protocol):
    """One open request at a server. Its client's id and progress token are in every message that it yields."""

    async def next(self) -> Message:
        """The next message: a notification, a request of the server (``method`` and ``id``), or the response, which is the last."""

    async def answer(self, response: Message) -> None:
        """The client's response to a request of the server that ``next`` yielded, with the id that it had there."""

    async def cancel(self, reason: str) -> None:
        """Nobody waits any more: tell the server. Nothing happens after the response."""


class Connection(Protocol):
    """One connection to one container."""

    era: Era
    on_message: Callable[[Message], None]
    """Takes notifications that belong to no open request (lists and resources that changed). Set by whoever uses the connection."""

    @property
    def opening(self) -> Message:
        """The server's ``InitializeResult`` or ``DiscoverResult``, as it gave it."""

    async def open(self, request: Message, owner: Client) -> Exchange:
        """Send a client's request. ``owner`` is whoever's ids these are; ids of different owners may be equal."""

    async def notify(self, notification: Message, owner: Client) -> None:
        """Send a client's notification."""

    async def leave(self, owner: Client) -> None:
        """That client ended: what it watched is watched for others only."""


class Connections(Protocol):
    """All connections to one server. Containers beyond the first are started when they are asked for."""

    per_session: bool
    """Whether every MCP session (of the handshake era: the other has none) has a container of its own. ``shared`` then still answers
    for those without a session and for what is the same for everybody, e.g. lists."""

    async def shared(self, era: Era) -> Connection | None:
        """The connection of that era which clients share; None if the server does not speak it."""

    async def own(self, session: str) -> Connection:
        """A connection for one client's MCP session alone, to a container of its own: the same one until it is released.

        Ask for it at every request, for only this raises ``Gone`` once that container ended. Raises ``Busy``.
        """

    async def release(self, session: str) -> None:
        """That session ended, or its client is gone for good: its container may go. Does nothing for a session that has none."""
