"""A container whose streams are read: its messages go to the bridge, all else that it prints to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from dtma.engine import Engine
from dtma.engine.attach import Attach
from dtma.errors import Failure
from dtma.mcp.bridge import Bridge
from dtma.mcp.messages import SERVER_GONE, RpcError
from dtma.observing.cost import Meter
from dtma.observing.gap import Gap
from dtma.observing.logs import LogBook
from dtma.observing.stats import Sampler, Watched
from dtma.servers.ending import NOTICE_SECONDS
from dtma.servers.health import Pulse
from dtma.tasks import cancelled
from mcp_protocol.messages import Message


class BeforeClose(Protocol):
    """See ``Attachment.before_close``."""

    async def __call__(self, *, container_runs: bool) -> None:
        """``container_runs`` says that the server can be told."""


class Attachment:
    """One container, attached. ``bridge`` is None unless it speaks MCP over its standard streams."""

    def __init__(self, container: str, log: LogBook) -> None:
        self.container = container
        self.bridge: Bridge | None = None
        self.pulse: Pulse | None = None
        """How the health of its server is felt, once it can be spoken to."""
        self.before_close: BeforeClose | None = None
        """Lets go of what else is open towards it."""
        self.memory_killed = False
        """Whether the engine reported a process of it killed at its memory limit; a child's death is told nowhere else."""
        self.meter = Meter()
        """Of its calls; it measures from ``watch`` on."""
        self.watched: Watched | None = None
        self._log = log
        self._gap: Gap | None = None
        self._attach: Attach
        self._reading: asyncio.Task[None]

    async def open(self, engine: Engine, epoch: int, *, messages: bool, broadcast: Callable[[Message], None]) -> None:
        """Attach; ``messages`` says that its standard output is MCP, and ``broadcast`` takes those that belong to no call."""
        stream = await engine.containers.attach(self.container)
        self._attach = Attach(stream, self._on_stdout, self._on_stderr, messages=messages)
        if messages:
            self.bridge = Bridge(epoch, self._attach.write, broadcast, self.meter)
        self._reading = asyncio.create_task(self._attach.read())

    async def watch(self, sampler: Sampler, engine: Engine, server_id: str, *, found: bool = False) -> None:
        """Sample what it uses, now that it runs or was ``found`` to; raises ``EngineUnavailable``."""
        self.meter.answers_over_network = self.bridge is None
        self.watched = await sampler.watch(engine, server_id, self.container, self.meter, running=found)

    @property
    def is_over(self) -> bool:
        """Whether its stream has ended."""
        return self._reading.done()

    def cpu_seconds(self) -> float | None:
        """How much the container has computed since its start; None where that cannot be told."""
        return None if self.watched is None else self.watched.cpu_seconds

    async def ended(self) -> None:
        """Return when the stream ends: the container has, or the engine is gone."""
        await asyncio.wait({self._reading})

    async def ended_before(self, event: asyncio.Event, within: float | None) -> bool:
        """Wait for the end, the event, or so many seconds; True if it was the end."""
        happened = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({self._reading, happened}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            return self._reading.done()
        finally:
            happened.cancel()

    async def unless_ended[Result](self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of the work; None if the stream ended first."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, self._reading}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and _broke_off(working):  # a container that ends may be noticed first by who writes to it
                await asyncio.wait({self._reading}, timeout=NOTICE_SECONDS)
                return None if self._reading.done() else working.result()
            return working.result() if working.done() else None
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    async def close(self, reason: str) -> None:
        """Let go of the container, which runs on; open calls fail with the reason."""
        if self.before_close is not None:
            await self.before_close(container_runs=not self._reading.done())
        if self.bridge is not None:
            self.bridge.close(reason)
        if self.watched is not None:
            self.watched.close()
        await self._attach.close()
        await cancelled(self._reading)

    # --- what it prints ---

    def hold(self) -> None:
        """Keep what is printed from now on until the gap before it was filled."""
        self._gap = Gap(self._log)

    async def fill_gap(self, engine: Engine) -> None:
        """Log what the container printed while no DTMA was there, then what was held."""
        if self._gap is not None:
            await self._gap.fill(engine, self.container, messages=self.bridge is not None)
            self._gap = None

    def _on_stdout(self, lines: list[bytes]) -> None:
        if (bridge := self.bridge) is not None:
            lines = [line for line in lines if not bridge.receive(line)]
        self._write("stdout", lines)

    def _on_stderr(self, lines: list[bytes]) -> None:
        self._write("stderr", lines)

    def _write(self, stream: str, lines: list[bytes]) -> None:
        texts = [line.decode(errors="replace") for line in lines]
        (self._log if self._gap is None else self._gap).add(stream, texts)


def _broke_off(work: asyncio.Future[Any]) -> bool:
    """Whether it failed as it would if the server had gone in the middle; nothing but that has these codes, or hardly anything."""
    failure = None if work.cancelled() else work.exception()
    cause = failure.__cause__ if isinstance(failure, Failure) else None
    return isinstance(cause, RpcError) and cause.rpc_code in (SERVER_GONE, 0)
