"""A server that speaks Streamable HTTP in its container, as DTMA uses it: which eras it speaks, and a connection for each.

A server that speaks the handshake era is asked once whether it speaks the stateless one too. What was found is remembered for its
program, since a server that ignores the question costs as long as DTMA is willing to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from dtma.errors import Failure
from dtma.mcp.connection import Era
from dtma.mcp.handshake import list_tools
from dtma.mcp.http_handshake import HandshakeConnection
from dtma.mcp.http_stateless import StatelessConnection
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.http_watch import keep_listening, subscribe
from dtma.mcp.messages import RpcError
from dtma.observing.cost import Meter
from dtma.tasks import background, cancelled
from mcp_protocol.messages import Message

PROBE_SECONDS = 10.0
LEAVE_SECONDS = 1.0


class Memory(Protocol):
    """What is known of the program in the container."""

    def speaks(self, era: Era) -> bool | None:
        """Whether it speaks an era; None if nobody has tried."""

    def remember(self, era: Era, speaks: bool) -> None:
        """Let nobody have to try that again."""


class HttpServer:
    """Made when the container listens. ``tools`` are its tools as last listed; ``tools_changed`` is called when it says they changed;
    ``opening`` is what it said to an earlier DTMA.
    """

    def __init__(
        self,
        upstream: HttpUpstream,
        meter: Meter,
        memory: Memory,
        seconds: float,
        tools: Callable[[], tuple[Message, ...]],
        tools_changed: Callable[[], None],
        opening: Message | None = None,
    ) -> None:
        self.upstream = upstream
        self.meter = meter
        self.tools_changed = tools_changed
        self._memory = memory
        self._seconds = seconds
        self._handshake = HandshakeConnection(upstream, meter, seconds, self._heard)
        self._stateless = StatelessConnection(upstream, meter, seconds, self._heard, tools)
        self._spoken: dict[Era, bool | None] = {era: memory.speaks(era) for era in Era}
        if opening is not None:
            self._spoken[Era.STATELESS if "supportedVersions" in opening else Era.HANDSHAKE] = True
        self._probing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def greet(self) -> Message:
        """The server's ``InitializeResult``, or its ``DiscoverResult`` if it speaks the stateless era alone. Raises ``Failure``."""
        if self._spoken[Era.HANDSHAKE] is not False:
            try:
                await self._handshake.begin()
            except Failure as refused:
                if not isinstance(refused.__cause__, RpcError):
                    raise
                try:
                    await self._stateless.begin()
                except Failure:
                    raise refused from None
            else:
                self._found(Era.HANDSHAKE, True)
                return self._handshake.opening
        opening = await self._stateless.begin()
        self._found(Era.HANDSHAKE, False)
        self._found(Era.STATELESS, True)
        return opening

    @property
    def heard_at(self) -> float:
        """When it last answered anything, on the monotonic clock."""
        return self.upstream.heard_at

    @property
    def open_calls(self) -> int:
        """How many requests of clients wait for their answer."""
        return self.upstream.open_calls

    async def probe(self) -> None:
        """Ask whether it is there; returns once it answers anything, or cannot any more."""
        try:
            await self._own.request("ping" if self._spoken[Era.HANDSHAKE] else "server/discover")
        except RpcError:
            return

    async def list_tools(self, opening: Message) -> tuple[Message, ...]:
        """All tools as it gives them; raises ``Failure``."""
        return await list_tools(self._own, opening, self._seconds)

    @property
    def _own(self) -> HandshakeConnection | StatelessConnection:
        """What DTMA's own requests go through."""
        return self._handshake if self._spoken[Era.HANDSHAKE] else self._stateless

    def attend(self) -> None:
        """It is ready: find out what else it speaks, and hear when its tools change."""
        if self._spoken[Era.STATELESS] is None:
            self._probing = background(self._probe(), "asking an HTTP server whether it speaks the stateless era")
        self._watching = background(self._watch(), "hearing whether the tools of an HTTP server change")

    async def speaks(self, era: Era) -> bool:
        """Whether the server itself speaks an era."""
        if self._spoken[era] is None and self._probing is not None:
            await asyncio.shield(self._probing)
        return bool(self._spoken[era])

    async def connection(self, era: Era) -> HandshakeConnection | StatelessConnection | None:
        """The connection of that era, which clients share; None if the server does not speak it. Raises ``Failure``."""
        if not await self.speaks(era):
            return None
        connection = self._handshake if era is Era.HANDSHAKE else self._stateless
        await connection.begin()
        return connection

    async def close(self, *, container_runs: bool) -> None:
        """Let go of it: whatever is open breaks off."""
        for task in (self._probing, self._watching):
            if task is not None:
                await cancelled(task)
        if container_runs:
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._handshake.close()
            except TimeoutError:
                pass  # the server will end an idle session itself
        await self.upstream.close()

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._stateless.begin()
        except (Failure, TimeoutError):
            self._found(Era.STATELESS, False)
        else:
            self._found(Era.STATELESS, True)

    async def _watch(self) -> None:
        if await self.speaks(Era.STATELESS):
            await keep_listening(self._subscribe, self.tools_changed)
        else:
            await keep_listening(self._listen, self.tools_changed)

    async def _subscribe(self) -> bool:
        opening = await self._stateless.begin()
        return _tells_of_changes(opening) and await subscribe(self._stateless)

    async def _listen(self) -> bool:
        await self._handshake.begin()
        return _tells_of_changes(self._handshake.opening) and await self._handshake.listen()

    def _found(self, era: Era, speaks: bool) -> None:
        self._spoken[era] = speaks
        self._memory.remember(era, speaks)

    def _heard(self, message: Message) -> None:
        """A list changed."""
        if message.get("method") == "notifications/tools/list_changed":
            self.tools_changed()


def _tells_of_changes(opening: Message) -> bool:
    capabilities = opening["capabilities"]
    offered = (capabilities.get(name) for name in ("tools", "prompts", "resources"))
    return any(isinstance(offer, dict) and (offer.get("listChanged") or offer.get("subscribe")) for offer in offered)
