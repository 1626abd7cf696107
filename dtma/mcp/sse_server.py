"""A server that speaks the old HTTP+SSE transport in its container (MCP 2024-11-05, transports).

All that it says comes on one event stream, whose first event says where messages are sent. So it is the same to clients as a server on
standard streams: they share one session. A stream that ends, though the container runs, is opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dtma.errors import Failure
from dtma.mcp.bridge import Bridge
from dtma.mcp.connection import Era
from dtma.mcp.handshake import initialize, list_tools
from dtma.mcp.http_exchange import events_of
from dtma.mcp.http_session import EVENTS
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.http_watch import keep_listening
from dtma.mcp.messages import SERVER_GONE, parse
from dtma.observing.cost import Meter
from dtma.tasks import background, cancelled
from dtma_wire import Phase
from lean_http import HttpError
from mcp_protocol.event_streams import EventTooLarge
from mcp_protocol.messages import Message, encode, failure

_JSON = ("Content-Type", "application/json")


class SseServer:
    """Made when the container listens. ``tools_changed`` is called when the server says that its tools changed."""

    def __init__(self, upstream: HttpUpstream, epoch: int, meter: Meter, seconds: float, tools_changed: Callable[[], None]) -> None:
        self._upstream = upstream
        self._epoch = epoch
        self._meter = meter
        self._seconds = seconds
        self._tools_changed = tools_changed
        self._stream: _Stream | None = None
        self._beginning = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    async def greet(self) -> Message:
        """The server's ``InitializeResult``; raises ``Failure``."""
        return (await self._begun()).bridge.opening

    async def list_tools(self, opening: Message) -> tuple[Message, ...]:
        """All tools as it gives them; raises ``Failure``."""
        return await list_tools((await self._begun()).bridge, opening, self._seconds)

    def attend(self) -> None:
        """It is ready: keep its event stream open."""
        self._watching = background(keep_listening(self._until_ended, self._tools_changed), "keeping an event stream open")

    async def connection(self, era: Era) -> Bridge | None:
        """The connection that clients share; None for the era that this transport does not have. Raises ``Failure``."""
        return (await self._begun()).bridge if era is Era.HANDSHAKE else None

    async def close(self, *, container_runs: bool) -> None:
        """Let go of it; open calls fail."""
        if self._watching is not None:
            await cancelled(self._watching)
        if self._stream is not None:
            await self._stream.close()
        await self._upstream.close()

    @property
    def heard_at(self) -> float:
        """When it last said anything, on the monotonic clock."""
        return max(self._upstream.heard_at, 0.0 if self._stream is None else self._stream.bridge.heard_at)

    @property
    def open_calls(self) -> int:
        """How many requests of clients wait for their answer."""
        return 0 if self._stream is None else self._stream.bridge.open_calls

    async def probe(self) -> None:
        """Ask whether it is there; returns once it answers anything, or cannot any more."""
        try:
            await (await self._begun()).bridge.probe()
        except Failure:
            return

    async def _begun(self) -> _Stream:
        async with self._beginning:
            if self._stream is None or self._stream.ended:
                stream = _Stream(self._upstream, self._epoch, self._meter, self._heard)
                try:
                    await stream.open(self._seconds)
                    stream.bridge.opening = await initialize(stream.bridge, self._seconds)
                except BaseException:
                    await stream.close()
                    raise
                self._stream = stream
            return self._stream

    async def _until_ended(self) -> bool:
        await (await self._begun()).wait()
        return True

    def _heard(self, message: Message) -> None:
        """Until a client sets ``on_message`` of the connection."""
        if message.get("method") == "notifications/tools/list_changed":
            self._tools_changed()


class _Stream:
    """One event stream, and the bridge over it."""

    def __init__(self, upstream: HttpUpstream, epoch: int, meter: Meter, hear: Callable[[Message], None]) -> None:
        self.bridge = Bridge(epoch, self._write, hear, meter)
        self._upstream = upstream
        self._endpoint: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether it was opened and has ended."""
        return self._reading is not None and self._reading.done()

    async def open(self, seconds: float) -> None:
        """Returns once the server has said where it wants messages; raises ``Failure``."""
        self._reading = background(self._read(), "reading an event stream")
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._endpoint)
        except TimeoutError:
            raise Failure(f"The server did not say within {seconds:g} s where it wants messages.", phase=Phase.UNHEALTHY) from None

    async def wait(self) -> None:
        """Returns when it ends."""
        if self._reading is not None:
            await asyncio.wait({self._reading})

    async def close(self) -> None:
        """End it; open calls fail."""
        if self._reading is not None:
            await cancelled(self._reading)
        if self._endpoint.done() and not self._endpoint.cancelled():
            self._endpoint.exception()  # somebody has looked

    async def _read(self) -> None:
        reason = "The server ended its event stream."
        try:
            async with self._upstream.open("GET", [EVENTS]) as response:
                if not response.is_stream:
                    reason = f"The server answered with HTTP {response.status} where its event stream should be: check the path."
                    return
                async for event in events_of(response):
                    if event.kind == "message":
                        self.bridge.receive(event.data)
                    elif event.kind == "endpoint" and not self._endpoint.done():
                        self._endpoint.set_result(self._upstream.within(event.data.decode(errors="replace")))
        except HttpError as error:
            reason = f"The event stream of the server broke off: {error}"
        except EventTooLarge:
            reason = "The server sent an event that is too large."
        except ValueError as error:
            reason = str(error)
        finally:
            self.bridge.close(reason)
            if not self._endpoint.done():
                self._endpoint.set_exception(Failure(reason, phase=Phase.UNHEALTHY))

    async def _write(self, line: bytes) -> None:
        problem = ""
        try:
            async with self._upstream.open("POST", [_JSON], line.rstrip(b"\n"), await asyncio.shield(self._endpoint)) as response:
                if response.status >= 400:
                    problem = f"The server did not take the message (HTTP {response.status})."
                await response.read()
        except HttpError as error:
            problem = f"The server in the container does not answer: {error}"
        request = parse(line) if problem else {}
        if "method" in request and "id" in request:  # others wait for no answer
            self.bridge.receive(encode(failure(request["id"], SERVER_GONE, problem)))
