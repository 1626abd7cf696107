"""The reconciler of one server: one task that drives what is observed to what is desired."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import ASGIApp

from dtma.engine import Engine, EngineRefused
from dtma.errors import EngineUnavailable, Failure, NotDone, NotReady, Stale
from dtma.labels import LABEL_SERVER
from dtma.mcp.handshake import list_tools, tools_hash
from dtma.observing.board import Board
from dtma.observing.logs import LogBook
from dtma.servers.ending import Crashes, why_it_ended
from dtma.servers.launch import Launch
from dtma.servers.link import Link
from dtma.servers.progress import Attempt
from dtma.services import Services
from dtma.store import Record, Volumes
from dtma_wire import Phase, Progress, ServerSpec, ServerState, Settled

logger = logging.getLogger(__name__)

_NOT_RUNNING: dict[str, Any] = {"container": "", "started_at": None}


class Server:
    """One server. Its verbs change what is desired and wait for the task to have done it."""

    def __init__(self, services: Services, board: Board, record: Record) -> None:
        self._services = services
        self._engine: Engine = services.engine
        self._board = board
        self.record = record
        self.log = LogBook(services.home.logs, record.id)
        self.log.hide(record.spec.secrets)
        self.state = board.publish(
            ServerState(id=record.id, name=record.spec.name, generation=record.spec.generation, revision=0, phase=Phase.PREPARING)
        )
        self._attempt = Attempt()
        self._task: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._link: Link | None = None
        self._fresh = False
        self._memory_killed_at = 0.0
        self._before_outage: ServerState | None = None

    # --- what others may do with it ---

    async def put(self, spec: ServerSpec) -> AsyncIterator[Progress | Settled]:
        """Take a spec; yields the steps of the attempt that it begins or joins. Raises ``Stale`` before the first."""
        async with self._changing:
            self._refuse_stale(spec.generation)
            same = spec.fingerprint == self.record.spec.fingerprint and spec.desired == self.record.spec.desired
            if spec.generation == self.record.spec.generation and spec.fingerprint != self.record.spec.fingerprint:
                raise Stale(f"Generation {spec.generation} of this server is known with other content. Send a higher generation.")
            self._desire(spec)
            unfulfilled = self._attempt.settled is not None and not self._as_desired
            attempt = await self._begin_or_go_on(not same or self._task is None or unfulfilled)
        async for event in attempt.follow():
            if isinstance(event, Settled) and event.ready and self._link is not None and attempt is self._attempt:
                yield Settled(ready=True, server=self.state)
            else:
                yield event

    async def start(self, generation: int | None) -> ServerState:
        """Start it; returns once it is ready or has failed."""
        return await self._act("running", generation)

    async def restart(self, generation: int | None) -> ServerState:
        """Replace its container; returns once the new one is ready or has failed."""
        return await self._act("running", generation, fresh=True)

    async def stop(self, generation: int | None) -> ServerState:
        """Stop it; returns once its container is gone."""
        return await self._act("stopped", generation)

    async def delete(self, volumes: Volumes, generation: int | None) -> ServerState:
        """Remove its container, network and, if told so, its data; returns once they are gone."""
        async with self._changing:
            spec = self.record.spec
            if generation is not None and self.record.deleting is None:
                self._refuse_stale(generation)
                spec = spec.model_copy(update={"generation": generation})
            failed = self._attempt.settled is not None and self.state.phase is not Phase.ABSENT
            if self.record.deleting != volumes or failed:
                self.record = Record(self.record.id, spec, volumes)
                self._services.home.save(self.record)
                await self._begin(fresh=False)
            attempt = self._attempt
        state = (await attempt.finished()).server
        if state.phase is not Phase.ABSENT:
            raise NotDone(state.reason)
        return state

    @property
    def endpoint(self) -> ASGIApp:
        """Its MCP endpoint; raises ``NotReady``."""
        if self._link is None or self._link.endpoint is None:
            because = f": {self.state.reason}" if self.state.reason else "."
            raise NotReady(f"The server {self.record.spec.name} is {self.state.phase.value}{because}")
        return self._link.endpoint

    def resume(self) -> None:
        """Begin to drive it after a start of DTMA."""
        self._observe(phase=Phase.UNKNOWN, reason="DTMA has just started and is looking for its container.")
        self._drive()

    async def let_go(self) -> None:
        """DTMA ends; the container runs on."""
        await self._halt("DTMA is restarting.")
        self.log.close()

    def ran_out_of_memory(self) -> None:
        """The engine reports that a process in the container was killed at its memory limit."""
        self._memory_killed_at = time.monotonic()
        self.log.remark(f"A process was killed: memory limit of {self.record.spec.resources.memory_mb} MB reached.")

    def engine_lost(self, reason: str) -> None:
        """Nobody knows any more what a server that nothing drives is doing."""
        if (self._task is None or self._task.done()) and self._before_outage is None:
            self._before_outage = self.state
            self._observe(phase=Phase.UNKNOWN, reason=reason)

    def engine_back(self) -> None:
        """A server that nothing drives is again what it was."""
        before, self._before_outage = self._before_outage, None
        if before is not None and (self._task is None or self._task.done()):
            self._observe(phase=before.phase, reason=before.reason)

    # --- changing what is desired ---

    @property
    def _as_desired(self) -> bool:
        if self.record.spec.desired == "stopped":
            return self.state.phase is Phase.STOPPED
        return self._link is not None and self._link.endpoint is not None

    def _refuse_stale(self, generation: int | None) -> None:
        known = self.record.spec.generation
        if self.record.deleting is not None:
            raise Stale("This server is being deleted. Deploy it under a new id.")
        if generation is not None and generation < known:
            raise Stale(f"Generation {generation} of this server is older than {known}, which is known already.")

    def _desire(self, spec: ServerSpec) -> None:
        if spec == self.record.spec:
            return
        self.record = Record(self.record.id, spec)
        self._services.home.save(self.record)
        self.log.hide(spec.secrets)

    async def _begin_or_go_on(self, begin: bool, *, fresh: bool = False) -> Attempt:
        """The attempt that answers a change. A generation is never told together with the phase of the one before."""
        if begin:
            await self._begin(fresh=fresh)
        elif self.state.generation != self.record.spec.generation:
            self._observe(name=self.record.spec.name, generation=self.record.spec.generation)
        return self._attempt

    async def _act(self, desired: str, generation: int | None, *, fresh: bool = False) -> ServerState:
        async with self._changing:
            self._refuse_stale(generation)
            in_progress = self._task is not None and self._attempt.settled is None
            changed = self.record.spec.desired != desired
            update: dict[str, Any] = {"desired": desired}
            if generation is not None:
                update["generation"] = generation
            self._desire(self.record.spec.model_copy(update=update))
            attempt = await self._begin_or_go_on(fresh or changed or not (in_progress or self._as_desired), fresh=fresh)
        await attempt.finished()
        return self.state

    async def _begin(self, *, fresh: bool) -> None:
        """Stop whatever is under way and drive anew. Holders of ``_changing`` only."""
        superseded = self.state.model_copy(update={"reason": "A newer change of this server took over."})
        await self._halt("The server is being changed.")
        self._attempt.settle(False, superseded)
        self._attempt = Attempt()
        self._fresh = fresh
        self._before_outage = None
        comes_up = self.record.deleting is None and self.record.spec.desired == "running"
        phase = Phase.PREPARING if comes_up else self.state.phase
        self._observe(name=self.record.spec.name, generation=self.record.spec.generation, phase=phase)
        self._drive()

    async def _halt(self, reason: str) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._unlink(reason)

    # --- driving ---

    def _drive(self) -> None:
        self._task = asyncio.create_task(self._reconcile())
        self._task.add_done_callback(self._broke)

    def _broke(self, task: asyncio.Task[None]) -> None:
        """A fault of DTMA's own must not leave anybody waiting for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("server %s: driving it failed", self.record.id, exc_info=error)
            self._settle_failed(Failure(f"DTMA met an error of its own ({error}). Its log says more; try again.", phase=Phase.UNKNOWN))

    async def _reconcile(self) -> None:
        was_ready = False
        crashes = Crashes(self._services.config)
        while True:
            try:
                if self.record.deleting is not None:
                    await self._remove(self.record.deleting)
                    return
                if self.record.spec.desired == "stopped":
                    await self._stop()
                    return
                failure = await self._run()
                was_ready = True
            except EngineUnavailable as outage:
                await self._wait_out(outage)
                continue
            except EngineRefused as refusal:
                if not await self._engine.answers():
                    await self._wait_out(EngineUnavailable(str(refusal)))
                    continue
                failure = Failure(f"The Docker engine refused: {str(refusal).rstrip('.')}.")
            except Failure as reason:
                failure = reason
            if not was_ready:
                self._settle_failed(failure)
                return
            if not await self._back_off(failure, crashes):
                return

    async def _run(self) -> Failure:
        """Bring it up and watch it; returns why it ended once it had been ready, raises ``Failure`` before that."""
        launch = Launch(self._services, self.record, self.log, self._attempt)
        began = time.monotonic()
        try:
            if self._fresh or not await launch.adopt():
                self._observe(phase=Phase.PREPARING, reason="", exit_code=None, last_log=(), **_NOT_RUNNING)
                image = await launch.image()
                self._observe(phase=Phase.STARTING, image=image.reference)
                link = await launch.create(image)
                self._fresh = False
                self._observe(container=link.container, started_at=link.started_at)
                if not await launch.shake_hands(link):
                    raise await self._why(launch, began, "right after it started")
            assert launch.link is not None
            await self._serve(launch.link, launch)
            return await self._why(launch, began, "while it was running")
        except Failure as failure:
            if launch.container is not None and failure.phase is Phase.UNHEALTHY:
                await self._stop_useless(launch.container)
            raise
        finally:
            self._link = self._link or launch.link
            await self._unlink("The server stopped while this call was open.")

    async def _stop_useless(self, container: str) -> None:
        """A server that does not answer is of no use, but its container may still tell why."""
        try:
            await self._engine.containers.stop(container)
        except EngineRefused as refusal:
            logger.warning("the container %s was not stopped: %s", container[:12], refusal)

    async def _serve(self, link: Link, launch: Launch) -> None:
        """It is ready; returns when its stream ends."""
        self._link = link
        self._observe(
            phase=Phase.RUNNING,
            reason="",
            exit_code=None,
            last_log=(),
            image=link.image,
            container=link.container,
            started_at=link.started_at,
            protocol_version=link.initialize_result["protocolVersion"],
            server_info=link.initialize_result.get("serverInfo") or {},
            tools=link.tools,
            tools_hash=tools_hash(link.tools),
        )
        self._attempt.settle(True, self.state)
        while await link.unless_ended(link.tools_changed.wait()):
            link.tools_changed.clear()
            await self._refresh_tools(link, launch)

    async def _refresh_tools(self, link: Link, launch: Launch) -> None:
        if link.bridge is None:
            return
        try:
            tools = await link.unless_ended(list_tools(link.bridge, link.initialize_result, self._services.config.handshake_seconds))
        except Failure as failure:
            self.log.remark(f"The server says that its tools changed. {failure.reason}")
            return
        if tools is not None and tools != link.tools:
            link.tools = tools
            launch.remember(link)
            self._observe(tools=tools, tools_hash=tools_hash(tools))

    async def _why(self, launch: Launch, began: float, when: str) -> Failure:
        assert launch.container is not None
        return await why_it_ended(
            self._engine,
            launch.container,
            when=when,
            memory_mb=self.record.spec.resources.memory_mb,
            process_killed=self._memory_killed_at > began,
        )

    async def _wait_out(self, outage: EngineUnavailable) -> None:
        self._observe(phase=Phase.UNKNOWN, reason=str(outage))
        self._attempt.settle(False, self.state)
        await self._engine.wait_until_available()
        self._attempt = Attempt()

    def _settle_failed(self, failure: Failure) -> None:
        self.log.remark(failure.reason)
        gone: dict[str, Any] = {} if failure.exit_code is not None else _NOT_RUNNING
        self._observe(phase=failure.phase, reason=failure.reason, exit_code=failure.exit_code, last_log=self.log.last, **gone)
        self._attempt.settle(False, self.state)

    async def _back_off(self, failure: Failure, crashes: Crashes) -> bool:
        """Wait before the next start of a server that had been ready; False if it has crashed too often."""
        wait = crashes.add()
        if wait is None:
            self._settle_failed(Failure(f"{failure.reason} {crashes.verdict}", exit_code=failure.exit_code))
            return False
        self.log.remark(f"{failure.reason} It is restarted in {wait:g} s.")
        self._observe(
            phase=Phase.CRASHED,
            reason=failure.reason,
            exit_code=failure.exit_code,
            last_log=self.log.last,
            restarts=self.state.restarts + 1,
        )
        self._attempt.settle(False, self.state)
        self._attempt = Attempt()
        await asyncio.sleep(wait)
        return True

    async def _stop(self) -> None:
        if await Launch(self._services, self.record, self.log, self._attempt).clear():
            self.log.remark("Stopped.")
        self._observe(phase=Phase.STOPPED, reason="", exit_code=None, last_log=(), **_NOT_RUNNING)
        self._attempt.settle(False, self.state)

    async def _remove(self, volumes: Volumes) -> None:
        server_id = self.record.id
        await Launch(self._services, self.record, self.log, self._attempt).clear()
        await self._engine.networks.remove(f"{LABEL_SERVER}={server_id}")
        if volumes == "remove":
            await self._engine.volumes.remove(f"{LABEL_SERVER}={server_id}")
        self._services.home.forget(server_id, self.record.spec.generation)
        self.log.remove()
        gone: dict[str, Any] = {"phase": Phase.ABSENT, "reason": "", "tools": None, "tools_hash": "", **_NOT_RUNNING}
        self.state = self._board.retire(self.state.model_copy(update=gone))
        self._attempt.settle(False, self.state)

    async def _unlink(self, reason: str) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close(reason)

    def _observe(self, **changes: Any) -> None:
        self.state = self._board.publish(self.state.model_copy(update=changes))
