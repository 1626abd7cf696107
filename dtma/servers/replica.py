"""A further container of a server, from before its start to after its removal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from dtma.engine import EngineRefused, Image
from dtma.engine.failures import to_the_end
from dtma.errors import EngineUnavailable, Failure
from dtma.mcp.connection import Connection
from dtma.servers.attachment import Attachment
from dtma.servers.ending import why_it_ended
from dtma.servers.health import Health
from dtma.servers.pause import Pause
from dtma.servers.starting import Starter
from dtma.servers.tracked import Tracked
from dtma.tasks import background, cancelled
from mcp_protocol.messages import Message

logger = logging.getLogger(__name__)

type Connect = Callable[[Attachment], Coroutine[Any, Any, Connection]]
"""Begins to speak with the server in a container that was just started; raises ``Failure``."""


@dataclass(frozen=True)
class Kind:
    """What replicas of one kind have in common. ``places`` limits how many of them there are at once, whatever they are doing."""

    starter: Starter
    image: Callable[[], Awaitable[Image]]
    connect: Connect
    idle_seconds: float
    places: asyncio.Semaphore
    pause: Pause
    numbers: Iterator[int]
    alive: set[Replica]
    """All whose container may still be there."""


class Replica:
    """One container. ``for_whom`` is said in the server's log; a spare one, for nobody yet, is kept however long it is idle."""

    def __init__(self, kind: Kind, for_whom: str, on_over: Callable[[Replica], None]) -> None:
        self.number = next(kind.numbers)
        self.over = ""
        """Why it is of no use any more. Its container may still be there."""
        self.attachment: Attachment | None = None
        self._kind = kind
        self._for_whom = for_whom
        self._on_over = on_over
        self._connection: Tracked | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        kind.alive.add(self)
        self._task = background(self._live(), f"replica {self.number} of server {kind.starter.record.id}")
        self._task.add_done_callback(lambda _: kind.alive.discard(self))

    @property
    def was_ready(self) -> bool:
        """Whether anybody could ever use it."""
        return self._connection is not None

    @property
    def name(self) -> str:
        """Of its container."""
        return self._kind.starter.name(self.number)

    async def connection(self) -> Tracked:
        """The connection to it, once it is ready. Raises ``Failure``."""
        await self._ready.wait()
        if self._connection is None or self.over:
            raise Failure(self.over)
        self._connection.touch()
        return self._connection

    def give(self, for_whom: str) -> None:
        """A spare one has a client from now on."""
        if self._ready.is_set():
            self._remark(f"is used {for_whom} from now on.")
        self._for_whom = for_whom
        if self._connection is not None:
            self._connection.touch()
        self._changed.set()

    def leave(self, reason: str) -> None:
        """Nobody wants it any more."""
        self._end(reason)

    async def close(self, reason: str) -> None:
        """Nobody wants it any more; returns once its container is gone."""
        self._end(reason)
        await cancelled(self._task)

    # --- its life ---

    async def _live(self) -> None:
        async with self._kind.places:
            await self._kind.pause.end()
            if not self.over:
                await self._serve()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._remove)
            try:
                self.attachment = await self._kind.starter.start(await self._kind.image(), _ignore, replica=self.number)
                stack.push_async_callback(self._let_go)
                self._connection = Tracked(await self._connect(self.attachment))
                self._remark(f"started {self._for_whom}." if self._for_whom else "started ahead for the next client session.")
                self._ready.set()
                await self._until_over(self.attachment)
            except (Failure, EngineRefused, EngineUnavailable) as failure:
                self._crash(str(failure))
            finally:
                self._end("DTMA met an error of its own.")

    async def _connect(self, attachment: Attachment) -> Connection:
        connection = await attachment.unless_ended(self._kind.connect(attachment))
        if connection is None:
            raise await self._why(attachment, "right after it started")
        return connection

    async def _until_over(self, attachment: Attachment) -> None:
        """Return when it ended, or has to."""
        assert self._connection is not None
        assert attachment.pulse is not None
        config = self._kind.starter.services.config
        health = asyncio.create_task(Health(config, attachment.pulse, self._tell, attachment.cpu_seconds).watch())
        health.add_done_callback(self._hung)
        try:
            await self._until_idle_or_ended(attachment, self._connection)
        finally:
            await cancelled(health)

    async def _until_idle_or_ended(self, attachment: Attachment, connection: Tracked) -> None:
        while not self.over:
            patience = self._kind.idle_seconds - connection.unused_for if self._for_whom else None
            if patience is not None and patience <= 0:
                self._end(f"Nobody used it for {self._kind.idle_seconds:g} s.")
                return
            self._changed.clear()
            if await attachment.ended_before(self._changed, patience) and not self.over:
                self._crash(str(await self._why(attachment, "while it was running")))

    async def _why(self, attachment: Attachment, when: str) -> Failure:
        starter = self._kind.starter
        memory_mb = starter.record.spec.resources.memory_mb
        failure = await why_it_ended(
            starter.services.engine,
            attachment.container,
            when=when,
            memory_mb=memory_mb,
            process_killed=lambda: attachment.memory_killed,
        )
        return failure or Failure("The connection to the container broke off, though it still runs.")

    def _tell(self, reason: str) -> None:
        self._remark(f"is unwell: {reason}" if reason else "answers again.")

    def _hung(self, health: asyncio.Task[Failure]) -> None:
        if not health.cancelled():
            self._crash(health.result().reason)

    def _crash(self, reason: str) -> None:
        if not self.over:
            self._kind.pause.begin()
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self.over:
            return
        self.over = reason
        if self.attachment is not None:
            self._remark(f"ends: {reason}")
        self._ready.set()
        self._changed.set()
        self._on_over(self)

    async def _let_go(self) -> None:
        assert self.attachment is not None
        await self.attachment.close(self.over)

    async def _remove(self) -> None:
        """The engine may be gone: whatever stays is removed before the server is brought up again."""
        try:
            await to_the_end(self._kind.starter.services.engine.containers.remove(self.name))
        except (EngineUnavailable, EngineRefused) as error:
            logger.warning("the container %s was not removed: %s", self.name, error)

    def _remark(self, text: str) -> None:
        self._kind.starter.log.remark(f"Container r{self.number} {text}")


def _ignore(message: Message) -> None:
    """Notifications that belong to no call go to whoever sets ``on_message`` of the connection."""
