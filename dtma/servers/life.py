"""One life of a server: brought up, or found running; watched while it serves; and why it ended."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from dtma.engine import EngineRefused
from dtma.errors import Failure
from dtma.mcp.handshake import tools_hash
from dtma.mcp.versions import info_of, version_of
from dtma.observing.logs import LogBook
from dtma.servers.ending import NOTICE_SECONDS, why_it_ended
from dtma.servers.health import Health
from dtma.servers.launch import Launch
from dtma.servers.link import Link
from dtma.servers.progress import Attempt
from dtma.services import Services
from dtma.store import Record
from dtma.tasks import cancelled
from dtma_wire import Phase, ServerState

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Whoever publishes what is observed."""

    state: ServerState

    def observe(self, **changes: Any) -> None:
        """These fields of the state changed."""


class Life:
    """From a spec to the end of its container. ``live`` is called once."""

    def __init__(self, services: Services, record: Record, log: LogBook, attempt: Attempt, observer: Observer) -> None:
        self.ready: Link | None = None
        """The connection, while it serves."""
        self.created = False
        """Whether it has a container of its own by now, not one that was found."""
        self.was_ready = False
        self.parting = "The server stopped while this call was open."
        """What open calls are told at the end."""
        self._services = services
        self._engine = services.engine
        self._record = record
        self._log = log
        self._attempt = attempt
        self._observer = observer
        self._launch = Launch(services, record, log, attempt)
        self._health: Health | None = None
        self._died = asyncio.Event()
        self._memory_killed = False
        self._parted = False

    def heard_of(self, action: str, container: str) -> None:
        """The engine reports something of a container of this server, which need not be this one any more."""
        if container != self._launch.container:
            if action == "oom" and self.ready is not None and self.ready.replicas is not None:
                self.ready.replicas.ran_out_of_memory(container)
            return
        if action == "oom":
            self._memory_killed = True
        elif action == "die":
            self._died.set()
        elif action == "health_status: unhealthy" and self._health is not None:
            self._log.remark("The image's own health check fails.")
            self._health.doubt()

    async def live(self, *, fresh: bool) -> Failure | None:
        """Bring it up and watch it; returns why it ended once it had been ready, raises ``Failure`` before that.

        None: only the connection ended, and the container runs on. Raises ``EngineUnavailable`` and ``EngineRefused``.
        """
        launch = self._launch
        try:
            found = not fresh and await launch.adopt()
            if not found and not await self._bring_up():
                failure = await self._why("right after it started")
                if failure is not None:
                    raise failure
                return None
            assert launch.link is not None
            return await self._serve(launch.link)
        except Failure as failure:
            if failure.phase is Phase.UNHEALTHY:
                await self._stop_useless()
            raise
        finally:
            await self._part()

    async def _bring_up(self) -> bool:
        """A new container that is ready; False if it ended on the way."""
        not_running: dict[str, Any] = {"container": "", "started_at": None}
        self._observer.observe(phase=Phase.PREPARING, reason="", exit_code=None, last_log=(), **not_running)
        image = await self._launch.image()
        self._observer.observe(phase=Phase.STARTING, image=image.reference)
        link = await self._launch.create(image)
        self.created = True
        self._observer.observe(container=link.container, started_at=link.started_at)
        return await self._launch.shake_hands(link)

    async def _serve(self, link: Link) -> Failure | None:
        """It is ready; returns when it is no longer."""
        self.ready, self.was_ready = link, True
        self._observer.observe(
            phase=Phase.RUNNING,
            reason="",
            exit_code=None,
            last_log=(),
            image=link.image,
            container=link.container,
            started_at=link.started_at,
            protocol_version=version_of(link.initialize_result),
            server_info=info_of(link.initialize_result),
            tools=link.tools,
            tools_hash=tools_hash(link.tools),
        )
        self._attempt.settle(True, self._observer.state)
        assert link.pulse is not None
        self._health = Health(self._services.config, link.pulse, self._tell, link.attachment.cpu_seconds)
        if not self.created:  # it is as it was when DTMA ended, or nobody knows how
            self._health.doubt()
        hung = asyncio.create_task(self._health.watch())
        ended = asyncio.create_task(self._ended(link))
        refreshing = asyncio.create_task(self._keep_tools(link))
        tasks: set[asyncio.Task[Any]] = {hung, ended, refreshing}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await self._part()  # whoever waits for an answer need not wait until it is known why
                return await self._why("while it was running")
            if refreshing.done():
                refreshing.result()
            failure = hung.result()
            self.parting = "The server hung while this call was open, and is restarted."
            if link.bridge is not None:  # one that is killed takes a while, and nobody has to wait for that
                link.bridge.close(self.parting)
            await self._stop_useless()
            return failure
        finally:
            for task in tasks:
                await cancelled(task)

    async def _part(self) -> None:
        """Let go of the container."""
        self.ready = None
        if self._launch.link is not None and not self._parted:
            self._parted = True
            await self._launch.link.close(self.parting)

    async def _ended(self, link: Link) -> None:
        """Return when the stream ends, or the engine reports the container's death and the stream has had time for its last lines."""
        died = asyncio.create_task(self._died.wait())
        stream = asyncio.create_task(link.attachment.ended())
        try:
            await asyncio.wait({died, stream}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({stream}, timeout=NOTICE_SECONDS)
        finally:
            died.cancel()
            stream.cancel()

    def _tell(self, reason: str) -> None:
        """The server fell ill, or, without a reason, is well again."""
        self._log.remark(reason or "The server answers again.")
        self._observer.observe(phase=Phase.UNHEALTHY if reason else Phase.RUNNING, reason=reason)

    async def _stop_useless(self) -> None:
        """A server that does not answer is of no use, but its container may still tell why."""
        container = self._launch.container
        if container is None:
            return
        try:
            await self._engine.containers.stop(container)
        except EngineRefused as refusal:
            logger.warning("the container %s was not stopped: %s", container[:12], refusal)

    async def _keep_tools(self, link: Link) -> None:
        """List the tools again whenever the server says that they changed."""
        while True:
            await link.tools_changed.wait()
            link.tools_changed.clear()
            await self._refresh_tools(link)

    async def _refresh_tools(self, link: Link) -> None:
        assert link.speaker is not None
        try:
            tools = await link.speaker.list_tools(link.initialize_result)
        except Failure as failure:
            self._log.remark(f"The server says that its tools changed. {failure.reason}")
            return
        if tools != link.tools:
            link.tools = tools
            self._launch.remember(link)
            self._observer.observe(tools=tools, tools_hash=tools_hash(tools))

    async def _why(self, when: str) -> Failure | None:
        assert self._launch.container is not None
        return await why_it_ended(
            self._engine,
            self._launch.container,
            when=when,
            memory_mb=self._record.spec.resources.memory_mb,
            process_killed=lambda: self._memory_killed,
        )
