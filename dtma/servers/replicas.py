"""All containers of one server: the first one, one more for clients of the other era, and those of client sessions.

A stdio server of the official SDK speaks the era of its first request for as long as it lives, so a second container answers the clients
of the other one. It is started when the first of them comes.
"""

from __future__ import annotations

import asyncio
import itertools

from dtma.engine import EngineRefused, Image
from dtma.errors import EngineUnavailable, Failure
from dtma.mcp.connection import Busy, Connection, Era
from dtma.servers.attachment import Attachment
from dtma.servers.greeting import OtherEra, begin
from dtma.servers.pause import Pause
from dtma.servers.pool import Pool
from dtma.servers.replica import Kind, Replica
from dtma.servers.speaker import Program, Speaker
from dtma.servers.starting import Starter, Tools
from dtma_wire import StdioTransport
from mcp_protocol.versions import STATELESS_VERSIONS


class Replicas:
    """Implements ``dtma.mcp.connection.Connections``. It lives as long as the first container, and all others with it."""

    def __init__(self, starter: Starter, first: Attachment, speaker: Speaker, era: Era, tools: Tools) -> None:
        spec = starter.record.spec
        self.per_session = spec.sessions.mode == "own"
        self._starter = starter
        self._first = first
        self._speaker = speaker
        self._era = era
        self._tools = tools
        self._found: tuple[Image, Program] | None = None
        self._numbers = itertools.count(1)
        self._alive: set[Replica] = set()
        self._pool = Pool(self._kind(era, spec.sessions.most), spec.sessions.most)
        self._other_kind = self._kind(Era.STATELESS, 1)
        self._other: Replica | None = None

    def open(self) -> None:
        """The server is ready: clients may come."""
        if self.per_session:
            self._pool.refill()

    @property
    def attachments(self) -> list[Attachment]:
        """Of all containers that run, the first one's first."""
        return [self._first, *(replica.attachment for replica in self._alive if replica.attachment is not None)]

    def ran_out_of_memory(self, container: str) -> None:
        """The engine reports that a process in a container was killed at its memory limit."""
        for attachment in self.attachments:
            attachment.memory_killed |= attachment.container == container

    async def shared(self, era: Era) -> Connection | None:
        """The connection that clients of an era share; None if the server does not speak it, or only fails in it for now."""
        try:
            connection = await self._speaker.connection(era)
            if connection is None and self._may_speak(era):
                connection = await (await self._of_other_era(era)).connection()
        except (Failure, Busy, EngineUnavailable, EngineRefused):
            return None
        return connection

    async def own(self, session: str) -> Connection:
        """The connection to the container of a client's session alone. Raises ``Busy``, and ``Gone`` once that container ended."""
        return await self._pool.own(session)

    async def release(self, session: str) -> None:
        """That session ended."""
        self._pool.release(session)

    async def close(self, reason: str) -> None:
        """End all but the first container; returns once they are removed."""
        self._pool.close()
        await asyncio.gather(*(replica.close(reason) for replica in list(self._alive)))

    def _may_speak(self, era: Era) -> bool:
        """Over a stream, the first request decides; one that began in the stateless era had refused the other one."""
        return era is Era.STATELESS and self._era is Era.HANDSHAKE and isinstance(self._starter.record.spec.transport, StdioTransport)

    async def _of_other_era(self, era: Era) -> Replica:
        """The container for the other era, which may just be starting."""
        _, program = await self._facts()
        if self._other is None or self._other.over:
            if program.speaks(era) is False:
                raise OtherEra(era)
            self._other_kind.pause.check()
            self._other = Replica(self._other_kind, f"for clients of MCP {STATELESS_VERSIONS[0]}", _forget)
        return self._other

    def _kind(self, era: Era, most: int) -> Kind:
        async def connect(attachment: Attachment) -> Connection:
            if era is self._era:
                return await begin(self._starter, attachment, era, self._tools)
            _, program = await self._facts()
            try:
                connection = await begin(self._starter, attachment, era, self._tools)
            except OtherEra:
                program.remember(era, False)
                raise
            program.remember(era, True)
            return connection

        return Kind(
            starter=self._starter,
            image=self._image,
            connect=connect,
            idle_seconds=self._starter.record.spec.sessions.idle_seconds,
            places=asyncio.Semaphore(most),
            pause=Pause(self._starter.services.config),
            numbers=self._numbers,
            alive=self._alive,
        )

    async def _image(self) -> Image:
        return (await self._facts())[0]

    async def _facts(self) -> tuple[Image, Program]:
        """The image that the first container was made of, and what is known of the program in it. Raises ``Failure``."""
        if self._found is None:
            image = await self._starter.services.engine.images.find(await self._starter.image_id(self._first))
            if image is None:
                raise Failure("The image of the server is gone from the toolbox. Restart the server.")
            self._found = image, await self._starter.program(self._first)
        return self._found


def _forget(replica: Replica) -> None:
    """The next client who asks for it finds that it is over."""
