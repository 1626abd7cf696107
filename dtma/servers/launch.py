"""One attempt to get from a spec to a server that answers: image, container, handshake, tools."""

from __future__ import annotations

from datetime import UTC, datetime

from dtma.engine import Image
from dtma.errors import DiskFull, Failure
from dtma.isolation.container import object_name
from dtma.labels import LABEL_SPEC
from dtma.mcp.connection import Busy
from dtma.mcp.versions import info_of
from dtma.observing.logs import LogBook
from dtma.servers.attachment import Attachment
from dtma.servers.link import Link
from dtma.servers.progress import Attempt
from dtma.servers.replicas import Replicas
from dtma.servers.speaker import Speaker, era_of_opening
from dtma.servers.starting import Starter
from dtma.services import Services
from dtma.store import Record, Session
from dtma_wire import Phase, Step, StepState
from mcp_protocol.messages import Message


class Launch:
    """Brings one server up. Every step can be repeated after a crash of DTMA at any point in it."""

    def __init__(self, services: Services, record: Record, logbook: LogBook, attempt: Attempt) -> None:
        self._services = services
        self._engine = services.engine
        self._record = record
        self._spec = record.spec
        self._log = logbook
        self._attempt = attempt
        self._starter = Starter(services, record, logbook)
        self._adopted_as = ""
        self.link: Link | None = None
        """Set as soon as there is a container; whoever runs the launch closes it."""

    @property
    def container(self) -> str | None:
        """The container that this launch found or made."""
        return None if self.link is None else self.link.container

    async def adopt(self) -> bool:
        """Carry on with a container that runs already and is in a session that DTMA knows; False if there is none."""
        found = await self._engine.containers.find(object_name(self._record.id))
        session = self._services.home.session(self._record.id)
        if found is None or session is None or found["Id"] != session.container or not found["State"]["Running"]:
            return False
        if found["State"].get("Paused"):  # by somebody: it cannot be attached to
            return False
        if self._services.home.label(self._spec) not in (found["Config"]["Labels"].get(LABEL_SPEC), session.adopted_as):
            return False
        if not await self._starter.take_over():
            return False
        await self._starter.remove(replicas_only=True)  # whose clients are gone
        link = self._linked(await self._starter.attach(found["Id"], self._on_broadcast, hold=True))
        link.started_at, link.image = session.started_at, session.image
        self._adopted_as = session.adopted_as
        await link.attachment.fill_gap(self._engine)
        if not session.initialize_result:
            return await self._get_acquainted(link)
        link.initialize_result, link.tools = session.initialize_result, session.tools
        speaker = await self._speaker(link, session.initialize_result)
        if speaker is None:
            return False
        await self._open(link, speaker)
        for step in Step:
            self._attempt.report(step, StepState.DONE, "kept from before")
        return True

    async def _get_acquainted(self, link: Link) -> bool:
        """Speak with the server of a container that somebody else had spoken with; False if it does not answer, and must be replaced."""
        for step in (Step.IMAGE, Step.CONTAINER):
            self._attempt.report(step, StepState.DONE, "found running")
        try:
            if await self.shake_hands(link):
                self._log.remark("This container was found running, and adopted.")
                return True
        except Failure as failure:
            self._log.remark(f"The container was found running, but is replaced: {failure.reason}")
        await link.close("The container is replaced.")
        self.link = None
        return False

    async def image(self) -> Image:
        """Step 1."""
        self._log.begin()
        self._attempt.report(Step.IMAGE, StepState.RUNNING)
        facts = await self._engine.facts()
        if facts.problem:
            raise Failure(facts.problem, phase=Phase.ABSENT)
        image = await self._services.builder.image(
            self._spec.source,
            lambda detail, fraction: self._attempt.report(Step.IMAGE, StepState.RUNNING, detail, fraction),
            server=self._record.id,
            generation=self._spec.generation,
        )
        self._attempt.report(Step.IMAGE, StepState.DONE, image.reference)
        return image

    async def create(self, image: Image) -> Link:
        """Step 2: a fresh container. What was there before is removed."""
        self._attempt.report(Step.CONTAINER, StepState.RUNNING)
        self._adopted_as = ""
        await self.clear()
        await self._starter.prepare(image)
        self._log.remark(f"Starting the container (generation {self._spec.generation}).")  # before all that it prints
        link = self._linked(await self._starter.start(image, self._on_broadcast))
        link.started_at, link.image = datetime.now(UTC), image.reference
        self._attempt.report(Step.CONTAINER, StepState.DONE)
        return link

    async def clear(self) -> bool:
        """Remove the server's containers; False if there was none."""
        self._services.home.forget_session(self._record.id)
        return await self._starter.remove()

    async def shake_hands(self, link: Link) -> bool:
        """Steps 3 and 4; False if the container ended in the middle."""
        self._attempt.report(Step.HANDSHAKE, StepState.RUNNING)
        speaker = await self._speaker(link)
        result = None if speaker is None else await link.unless_ended(speaker.greet())
        if speaker is None or result is None:
            return False
        link.initialize_result = result
        info = info_of(result)
        self._attempt.report(Step.HANDSHAKE, StepState.DONE, f"{info.get('name', '')} {info.get('version', '')}".strip())
        self._attempt.report(Step.TOOLS, StepState.RUNNING)
        tools = await link.unless_ended(speaker.list_tools(result))
        if tools is None:
            return False
        link.tools = tools
        await self._open(link, speaker)
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
            adopted_as=self._adopted_as,
        )
        try:
            self._services.home.save_session(self._record.id, session)
        except DiskFull as full:  # it serves all the same
            self._log.remark(f"{full} Until then DTMA cannot remember this container, and would replace it if it were restarted.")

    def _linked(self, attachment: Attachment) -> Link:
        self.link = Link(attachment)
        return self.link

    def _on_broadcast(self, message: Message) -> None:
        if self.link is not None:
            self.link.hear(message)

    async def _speaker(self, link: Link, opening: Message | None = None) -> Speaker | None:
        link.speaker = await self._starter.speaker(link.attachment, lambda: link.tools, link.tools_changed.set, opening)
        return link.speaker

    async def _open(self, link: Link, speaker: Speaker) -> None:
        """Take clients, now that the server has answered."""
        era = era_of_opening(link.initialize_result)
        try:
            await link.open(Replicas(self._starter, link.attachment, speaker, era, lambda: link.tools))
        except Busy as busy:
            raise Failure(str(busy), phase=Phase.UNHEALTHY) from busy
