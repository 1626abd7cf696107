"""Starting containers of one server: its first one, and replicas of that."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from dtma.engine import EngineRefused, Image
from dtma.errors import Failure
from dtma.isolation.container import container_body, object_name
from dtma.isolation.surroundings import Surroundings
from dtma.labels import LABEL_REPLICA, LABEL_SERVER, LABEL_TOOLBOX
from dtma.mcp.http_server import HttpServer
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.sse_server import SseServer
from dtma.observing.logs import LogBook
from dtma.servers.attachment import Attachment
from dtma.servers.ending import refused
from dtma.servers.speaker import Program, Speaker, StdioSpeaker
from dtma.services import Services
from dtma.store import Record
from dtma_wire import Phase, SseTransport, StdioTransport
from mcp_protocol.messages import Message

type Broadcast = Callable[[Message], None]
"""Takes notifications of the server that belong to no call."""


type Tools = Callable[[], tuple[Message, ...]]
"""Tells the tools of the server as last listed."""


@dataclass(frozen=True)
class Starter:
    """Makes containers of one server out of its spec as it is now. What it does can be repeated after a crash of DTMA at any point."""

    services: Services
    record: Record
    log: LogBook

    def name(self, replica: int | None = None) -> str:
        """The name of a container of the server: the first one's, or a replica's. No id has a dot in it."""
        first = object_name(self.record.id)
        return first if replica is None else f"{first}.r{replica}"

    async def start(self, image: Image, broadcast: Broadcast, *, replica: int | None = None) -> Attachment:
        """A fresh container, attached before it starts; raises ``Failure``. Whoever asked for it closes and removes it."""
        spec, services = self.record.spec, self.services
        label = services.home.label(spec)
        body = container_body(self.record.id, spec, image, toolbox=services.config.toolbox, spec_label=label)
        if replica is not None:
            body["Labels"][LABEL_REPLICA] = str(replica)
        try:
            async with AsyncExitStack() as unless_started:
                container = await services.engine.containers.create(self.name(replica), body)
                attachment = await self.attach(container, broadcast)
                unless_started.push_async_callback(attachment.close, "The container was not started.")
                await services.engine.containers.start(container)
                await attachment.watch(services.sampler, services.engine, self.record.id)
                unless_started.pop_all()
        except EngineRefused as refusal:
            raise refused(refusal, "The container could not be started") from refusal
        return attachment

    async def attach(self, container: str, broadcast: Broadcast, *, hold: bool = False) -> Attachment:
        """Attach, and log what is printed; with ``hold`` not before the gap is filled."""
        attachment = Attachment(container, self.log)
        if hold:
            attachment.hold()
        stdio = isinstance(self.record.spec.transport, StdioTransport)
        await attachment.open(self.services.engine, self.services.home.epoch, messages=stdio, broadcast=broadcast)
        if hold:
            await attachment.watch(self.services.sampler, self.services.engine, self.record.id, found=True)
        return attachment

    async def prepare(self, image: Image) -> None:
        """The guarded network, the volumes and the secret files that all containers of the server share; raises ``Failure``."""
        try:
            await Surroundings(self.services, self.record).prepare(image, self.log.remark)
        except EngineRefused as refusal:
            raise refused(refusal, "The container could not be started") from refusal

    async def remove(self, *, replicas_only: bool = False) -> bool:
        """Remove the containers of the server, or all but the first one; False if there was none."""
        ours = [f"{LABEL_SERVER}={self.record.id}", f"{LABEL_TOOLBOX}={self.services.config.toolbox}"]
        found = await self.services.engine.containers.matching(*ours, *([LABEL_REPLICA] if replicas_only else []))
        await asyncio.gather(*(self.services.engine.containers.remove(container["Id"]) for container in found))
        if not replicas_only:
            await Surroundings(self.services, self.record).after_containers()
        return bool(found)

    async def take_over(self) -> bool:
        """Guard the containers that run already, for a new DTMA; False where that cannot be done and they must go."""
        return await Surroundings(self.services, self.record).take_over(self.log.remark)

    async def speaker(
        self,
        attachment: Attachment,
        tools: Tools,
        tools_changed: Callable[[], None],
        opening: Message | None = None,
    ) -> Speaker | None:
        """What to speak to the server through; None if its container ended before it listened. Raises ``Failure``.

        ``tools_changed`` hears that its tools changed, and ``opening`` is what it said to an earlier DTMA.
        """
        seconds = self.services.config.handshake_seconds
        if attachment.bridge is not None:
            attachment.pulse = attachment.bridge
            return StdioSpeaker(attachment.bridge, seconds, opening)
        upstream = await self._listening(attachment, seconds)
        if upstream is None:
            return None
        server: HttpServer | SseServer
        if isinstance(self.record.spec.transport, SseTransport):
            server = SseServer(upstream, self.services.home.epoch, attachment.meter, seconds, tools_changed)
        else:
            program = await self.program(attachment)
            server = HttpServer(upstream, attachment.meter, program, seconds, tools, tools_changed, opening)
        attachment.pulse, attachment.before_close = server, server.close
        return server

    async def program(self, attachment: Attachment) -> Program:
        """What is known of the program that a container runs; raises ``Failure``."""
        content = [await self.image_id(attachment), list(self.record.spec.arguments)]
        return Program(self.services.home, hashlib.sha256(json.dumps(content).encode()).hexdigest())

    async def image_id(self, attachment: Attachment) -> str:
        """The very image of a container, whatever its name means by now; raises ``Failure``."""
        found = await self.services.engine.containers.find(attachment.container)
        if found is None:
            raise Failure("The container was removed by somebody else.")
        return str(found["Image"])

    async def _upstream(self, container: str) -> HttpUpstream:
        transport = self.record.spec.transport
        assert not isinstance(transport, StdioTransport)
        found = await self.services.engine.containers.find(container)
        network = found["NetworkSettings"]["Networks"].get(object_name(self.record.id)) if found else None
        return HttpUpstream(network["IPAddress"] if network else "", transport)

    async def _listening(self, attachment: Attachment, seconds: float) -> HttpUpstream | None:
        upstream = await self._upstream(attachment.container)

        async def listens() -> HttpUpstream:
            await upstream.wait_until_listening()
            return upstream

        try:
            async with asyncio.timeout(seconds):
                return await attachment.unless_ended(listens())
        except TimeoutError:
            raise Failure(
                f"Nothing listened on port {upstream.port} of the container within {seconds:g} s. "
                "Check the port, and that the server does not listen on 127.0.0.1 only.",
                phase=Phase.UNHEALTHY,
            ) from None
