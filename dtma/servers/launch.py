"""One attempt to get from a spec to a server that answers: image, container, handshake, tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from dtma.engine import EngineRefused, Image
from dtma.engine.attach import Attach
from dtma.errors import Failure
from dtma.isolation.container import (
    USER_ID,
    container_body,
    needs_network,
    network_body,
    object_name,
    volume_body,
)
from dtma.labels import LABEL_SERVER, LABEL_SPEC, LABEL_TOOLBOX
from dtma.mcp.bridge import Bridge, Message
from dtma.mcp.handshake import Caller, initialize, list_tools
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.sessions import Sessions
from dtma.observing.logs import LogBook
from dtma.servers.link import Link
from dtma.servers.progress import Attempt
from dtma.services import Services
from dtma.store import Record, Session
from dtma_wire import HttpTransport, Phase, StdioTransport, Step, StepState

GAP_LINES = 5000
"""At most so many lines are taken from the engine's log after DTMA was away."""


class Launch:
    """Brings one server up. Every step can be repeated after a crash of DTMA at any point in it."""

    def __init__(self, services: Services, record: Record, logbook: LogBook, attempt: Attempt) -> None:
        self._services = services
        self._engine = services.engine
        self._record = record
        self._spec = record.spec
        self._name = object_name(record.id)
        self._log = logbook
        self._attempt = attempt
        self._held: list[tuple[str, list[str]]] | None = None
        self.link: Link | None = None
        """Set as soon as there is a container; whoever runs the launch closes it."""
        self.container: str | None = None

    async def adopt(self) -> bool:
        """Carry on with a container that runs already and is in a session that DTMA knows; False if there is none."""
        found = await self._engine.containers.find(self._name)
        session = self._services.home.session(self._record.id)
        if found is None or session is None or found["Id"] != session.container or not found["State"]["Running"]:
            return False
        if found["Config"]["Labels"].get(LABEL_SPEC) != self._services.home.label(self._spec):
            return False
        self.container = found["Id"]
        since, until = self._log.latest, datetime.now(UTC)
        self._held = []
        link = await self._connect(found["Id"])
        link.started_at, link.image = session.started_at, session.image
        link.initialize_result, link.tools = session.initialize_result, session.tools
        await self._fill_gap(found["Id"], since, until)
        self._release()
        await self._open_endpoint(link)
        for step in Step:
            self._attempt.report(step, StepState.DONE, "kept from before")
        return True

    async def image(self) -> Image:
        """Step 1."""
        self._log.begin()
        self._attempt.report(Step.IMAGE, StepState.RUNNING)
        facts = await self._engine.facts()
        if facts.problem:
            raise Failure(facts.problem, phase=Phase.ABSENT)
        image = await self._services.builder.image(
            self._spec.source, lambda detail, fraction: self._attempt.report(Step.IMAGE, StepState.RUNNING, detail, fraction)
        )
        self._attempt.report(Step.IMAGE, StepState.DONE, image.reference)
        return image

    async def create(self, image: Image) -> Link:
        """Step 2: a fresh container, attached before it starts. What was there before is removed."""
        self._attempt.report(Step.CONTAINER, StepState.RUNNING)
        home, toolbox, server_id = self._services.home, self._services.config.toolbox, self._record.id
        await self.clear()
        if needs_network(self._spec):
            await self._engine.networks.ensure(network_body(server_id, self._spec, toolbox=toolbox))
        body = container_body(server_id, self._spec, image, toolbox=toolbox, spec_label=home.label(self._spec))
        try:
            await self._make_volumes(image)
            self.container = await self._engine.containers.create(self._name, body)
            link = await self._connect(self.container)
            await self._engine.containers.start(self.container)
        except EngineRefused as refusal:
            raise Failure(f"The container could not be started: {str(refusal).rstrip('.')}.") from refusal
        link.started_at, link.image = datetime.now(UTC), image.reference
        self._log.remark(f"Container started (generation {self._spec.generation}).")
        self._attempt.report(Step.CONTAINER, StepState.DONE)
        return link

    async def _make_volumes(self, image: Image) -> None:
        """Volumes that the server can write to. DTMA remembers which are, since making one is two steps."""
        home, server_id = self._services.home, self._record.id
        existing = await self._engine.volumes.matching(f"{LABEL_SERVER}={server_id}") if self._spec.volumes else set()
        for volume in self._spec.volumes:
            body = volume_body(server_id, volume.name, toolbox=self._services.config.toolbox)
            if body["Name"] not in existing or not home.has_volume(body["Name"]):
                await self._engine.volumes.create(body, image.id, USER_ID)
                home.add_volume(body["Name"])

    async def clear(self) -> bool:
        """Remove the server's container; False if there was none."""
        self._services.home.forget_session(self._record.id)
        ours = (f"{LABEL_SERVER}={self._record.id}", f"{LABEL_TOOLBOX}={self._services.config.toolbox}")
        found = await self._engine.containers.matching(*ours)
        for container in found:
            await self._engine.containers.remove(container["Id"])
        return bool(found)

    async def shake_hands(self, link: Link) -> bool:
        """Steps 3 and 4; False if the container ended in the middle."""
        seconds = self._services.config.handshake_seconds
        self._attempt.report(Step.HANDSHAKE, StepState.RUNNING)
        caller = await self._caller(link, seconds)
        result = None if caller is None else await link.unless_ended(initialize(caller, seconds))
        if caller is None or result is None:
            return False
        link.initialize_result = result
        info = result.get("serverInfo")
        info = info if isinstance(info, dict) else {}
        self._attempt.report(Step.HANDSHAKE, StepState.DONE, f"{info.get('name', '')} {info.get('version', '')}".strip())
        self._attempt.report(Step.TOOLS, StepState.RUNNING)
        tools = await link.unless_ended(list_tools(caller, result, seconds))
        if tools is None:
            return False
        link.tools = tools
        if isinstance(caller, HttpUpstream):
            await caller.leave()
        await self._open_endpoint(link)
        self.remember(link)
        self._attempt.report(Step.TOOLS, StepState.DONE, f"{len(tools)} tool{'' if len(tools) == 1 else 's'}")
        return True

    def remember(self, link: Link) -> None:
        """Let a later DTMA carry on with this session."""
        session = Session(
            container=link.container,
            image=link.image,
            started_at=link.started_at,
            initialize_result=link.initialize_result,
            tools=link.tools,
        )
        self._services.home.save_session(self._record.id, session)

    async def _connect(self, container: str) -> Link:
        """Attach, and log what is printed."""
        stdio = isinstance(self._spec.transport, StdioTransport)
        sessions = Sessions()
        attach = Attach(await self._engine.containers.attach(container), self._on_stdout, self._on_stderr, messages=stdio)
        bridge = Bridge(self._services.home.epoch, attach.write, self._on_broadcast) if stdio else None
        self.link = Link(container, attach, bridge, sessions, asyncio.create_task(attach.read()))
        return self.link

    def _on_stdout(self, lines: list[bytes]) -> None:
        if self.link is not None and (bridge := self.link.bridge) is not None:
            lines = [line for line in lines if not bridge.receive(line)]
        self._write("stdout", lines)

    def _on_stderr(self, lines: list[bytes]) -> None:
        self._write("stderr", lines)

    def _on_broadcast(self, message: Message) -> None:
        if self.link is not None:
            self.link.broadcast(message)

    def _write(self, stream: str, lines: list[bytes]) -> None:
        texts = [line.decode(errors="replace") for line in lines]
        if self._held is None:
            self._log.add(stream, texts)
        else:
            self._held.append((stream, texts))

    def _release(self) -> None:
        """Log what arrived while the gap before it was being filled."""
        held, self._held = self._held or [], None
        for stream, texts in held:
            self._log.add(stream, texts)

    async def _fill_gap(self, container: str, since: datetime, until: datetime) -> None:
        """Log what the container printed while no DTMA was there, out of the engine's own log."""
        # The engine's time of a line is a little before its arrival here, so look back a second and leave out what is known.
        known = [(line.stream, line.text) for line in self._log.recent(since - timedelta(seconds=2))]
        try:
            printed = {
                stream: await self._engine.containers.printed(container, stream, since - timedelta(seconds=1), until, GAP_LINES)
                for stream in ("stdout", "stderr")
            }
        except EngineRefused as refusal:
            self._log.remark(f"What was printed while DTMA was away cannot be read: {refusal}")
            return
        lines = []
        for stream, pieces in printed.items():
            for at, text in pieces:
                if stream == "stdout" and self._spec.transport.kind == "stdio" and _looks_like_rpc(text):
                    continue
                if (stream, text) in known:
                    known.remove((stream, text))
                elif text:
                    lines.append((at, stream, text))
        if lines:
            self._log.remark(f"{len(lines)} lines from while DTMA was away:")
        for at, stream, text in sorted(lines):
            self._log.add(stream, (text,), at)

    async def _caller(self, link: Link, seconds: float) -> Caller | None:
        if link.bridge is not None:
            return link.bridge
        upstream = await self._upstream(link)
        try:
            async with asyncio.timeout(seconds):
                listening = await link.unless_ended(_true(upstream.wait_until_listening()))
        except TimeoutError:
            raise Failure(
                f"Nothing listened on port {upstream.port} of the container within {seconds:g} s. "
                "Check the port, and that the server does not listen on 127.0.0.1 only.",
                phase=Phase.UNHEALTHY,
            ) from None
        return upstream if listening else None

    async def _open_endpoint(self, link: Link) -> None:
        if link.bridge is not None:
            link.open_stdio_endpoint(link.bridge)
        else:
            link.endpoint = await self._upstream(link)

    async def _upstream(self, link: Link) -> HttpUpstream:
        transport = self._spec.transport
        assert isinstance(transport, HttpTransport)
        found = await self._engine.containers.find(link.container)
        network = found["NetworkSettings"]["Networks"].get(self._name) if found else None
        return HttpUpstream(self._services.http, network["IPAddress"] if network else "", transport)


async def _true(work: Coroutine[Any, Any, None]) -> bool:
    await work
    return True


def _looks_like_rpc(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return text.startswith('{"jsonrpc"')  # the engine cuts long lines
    return isinstance(message, dict) and message.get("jsonrpc") == "2.0"
