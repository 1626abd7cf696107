"""The task of one server: it drives what is observed to what is desired."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from dtma.engine import EngineRefused
from dtma.errors import DiskFull, EngineUnavailable, Failure
from dtma.isolation.surroundings import Surroundings, all_secrets
from dtma.observing.board import Board
from dtma.observing.logs import LogBook
from dtma.servers.ending import Crashes, refused, stays_ended
from dtma.servers.launch import Launch
from dtma.servers.life import Life
from dtma.servers.link import Link
from dtma.servers.progress import Attempt
from dtma.services import Services
from dtma.store import Record, Volumes
from dtma_wire import Phase, ServerState

logger = logging.getLogger(__name__)

NOT_RUNNING: dict[str, Any] = {"container": "", "started_at": None}


class Reconciler:
    """``record`` is what is desired and ``state`` what is observed. Whoever changes the record begins it anew."""

    def __init__(self, services: Services, board: Board, record: Record) -> None:
        self.record = record
        self.log = LogBook(services.home.logs, record.id)
        self.log.hide(all_secrets(record.spec))
        self.state = board.publish(
            ServerState(id=record.id, name=record.spec.name, generation=record.spec.generation, revision=0, phase=Phase.PREPARING)
        )
        self.attempt = Attempt()
        self._services = services
        self._engine = services.engine
        self._board = board
        self._task: asyncio.Task[None] | None = None
        self._life: Life | None = None
        self._fresh = False
        self._was_ready = False
        self._ended_by_itself = False

    # --- from outside ---

    @property
    def begun(self) -> bool:
        """Whether it was ever told to drive."""
        return self._task is not None

    @property
    def idle(self) -> bool:
        """Whether nothing drives it: it is as desired and does not run, or has failed."""
        return self._task is None or self._task.done()

    @property
    def link(self) -> Link | None:
        """The connection to its container, once that is ready."""
        return None if self._life is None else self._life.ready

    @property
    def as_desired(self) -> bool:
        """Whether there is nothing left to do for now."""
        if self.record.spec.desired == "stopped":
            return self.state.phase is Phase.STOPPED
        return self.link is not None

    def resume(self) -> None:
        """Begin after a start of DTMA. One that was ready before may crash a few times on the way back: so much starts with a host."""
        self.observe(phase=Phase.UNKNOWN, reason="DTMA has just started and is looking for its container.")
        self._was_ready = self._services.home.session(self.record.id) is not None
        self._drive()

    async def begin(self, *, fresh: bool) -> None:
        """Stop whatever is under way and drive anew; ``fresh`` asks for a new container. One caller at a time."""
        superseded = self.state.model_copy(update={"reason": "A newer change of this server took over."})
        await self.halt("The server is being changed.")
        self.attempt.settle(False, superseded)
        self.attempt = Attempt()
        self._fresh = fresh
        self._was_ready = False
        comes_up = self.record.deleting is None and self.record.spec.desired == "running"
        phase = Phase.PREPARING if comes_up else self.state.phase
        self.observe(name=self.record.spec.name, generation=self.record.spec.generation, phase=phase)
        self._drive()

    async def halt(self, reason: str) -> None:
        """Stop driving; containers run on, open calls fail with the reason."""
        if self._life is not None:
            self._life.parting = reason
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def observe(self, **changes: Any) -> None:
        """Publish what is observed now."""
        self.state = self._board.publish(self.state.model_copy(update=changes))

    def heard_of(self, action: str, container: str) -> None:
        """The engine reports ``oom``, ``die`` or ``health_status: …`` of a container of this server."""
        if action == "oom":
            self._services.sampler.usage(self.record.id).killed(container)
            self.log.remark(f"A process was killed: memory limit of {self.record.spec.resources.memory_mb} MB reached.")
        if self._life is not None:
            self._life.heard_of(action, container)

    # --- the task ---

    def _drive(self) -> None:
        self._task = asyncio.create_task(self._reconcile(), name=f"driving server {self.record.id}")
        self._task.add_done_callback(self._broke)

    def _broke(self, task: asyncio.Task[None]) -> None:
        """A fault of DTMA's own must not leave anybody waiting for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("server %s: driving it failed", self.record.id, exc_info=error)
            self._settle_failed(Failure(f"DTMA met an error of its own ({error}). Its log says more; try again.", phase=Phase.UNKNOWN))

    async def _reconcile(self) -> None:
        crashes, breaks = Crashes(self._services.config), Crashes(self._services.config)
        while True:
            try:
                if await self._reaches_rest():
                    return
                failure = await self._live(breaks)
            except EngineUnavailable as outage:
                await self._wait_out(outage)
                continue
            except EngineRefused as refusal:
                failure = await self._refused(refusal)
            except DiskFull as full:
                failure = Failure(str(full))
            except Failure as reason:
                failure = reason
            if failure is None:
                continue
            if not self._was_ready:
                self._settle_failed(failure)
                return
            if not await self._back_off(failure, crashes):
                return

    async def _reaches_rest(self) -> bool:
        """Whether it is not to run, and does not now."""
        if self.record.deleting is not None:
            await self._remove(self.record.deleting)
            return True
        if self.record.spec.desired == "stopped":
            await self._stop()
            return True
        return False

    async def _live(self, breaks: Crashes) -> Failure | None:
        """Bring it up and serve until it ends; returns why, None where its container runs on and is to be carried on with."""
        self._life = Life(self._services, self.record, self.log, self.attempt, self)
        self._ended_by_itself = False
        try:
            failure = await self._life.live(fresh=self._fresh)
        finally:
            life, self._life = self._life, None
            self._fresh = self._fresh and not life.created
            self._was_ready = self._was_ready or life.was_ready
        self._ended_by_itself = life.was_ready and failure is not None
        if failure is None and breaks.add() is None:
            failure = Failure("The connection to the container keeps breaking off, though it runs.", phase=Phase.UNHEALTHY)
        if failure is None:
            self.attempt = Attempt()
        return failure

    async def _wait_out(self, outage: EngineUnavailable) -> None:
        """Go on once the engine is back."""
        self.observe(phase=Phase.UNKNOWN, reason=str(outage))
        self.attempt.settle(False, self.state)
        await self._engine.wait_until_available()
        self.attempt = Attempt()

    async def _refused(self, refusal: EngineRefused) -> Failure | None:
        """An engine that is being stopped refuses, too."""
        if await self._engine.answers():
            return refused(refusal, "The Docker engine refused")
        await self._wait_out(EngineUnavailable(str(refusal)))
        return None

    def _settle_failed(self, failure: Failure) -> None:
        self.log.remark(failure.reason)
        gone: dict[str, Any] = NOT_RUNNING if failure.exit_code is None or failure.phase is Phase.STOPPED else {}
        self.observe(phase=failure.phase, reason=failure.reason, exit_code=failure.exit_code, last_log=self.log.last, **gone)
        self.attempt.settle(False, self.state)

    async def _back_off(self, failure: Failure, crashes: Crashes) -> bool:
        """Wait before the next start of a server that had been ready; False if its policy wants none, or it has failed too often."""
        if self._ended_by_itself and (rest := stays_ended(failure, self.record.spec.restart)) is not None:
            self._settle_failed(rest)
            return False
        wait = crashes.add(hung=failure.phase is Phase.UNHEALTHY)
        if wait is None:
            reason = f"{failure.reason} {crashes.verdict}"
            self._settle_failed(Failure(reason, phase=failure.phase, exit_code=failure.exit_code))
            return False
        self.log.remark(f"{failure.reason} It is restarted in {wait:g} s.")
        self.observe(
            phase=failure.phase,
            reason=failure.reason,
            exit_code=failure.exit_code,
            last_log=self.log.last,
            restarts=self.state.restarts + 1,
        )
        self.attempt.settle(False, self.state)
        self.attempt = Attempt()
        await asyncio.sleep(wait)
        return True

    async def _stop(self) -> None:
        if await Launch(self._services, self.record, self.log, self.attempt).clear():
            self.log.remark("Stopped.")
        self.observe(phase=Phase.STOPPED, reason="", exit_code=None, last_log=(), **NOT_RUNNING)
        self.attempt.settle(False, self.state)

    async def _remove(self, volumes: Volumes) -> None:
        server_id = self.record.id
        await Launch(self._services, self.record, self.log, self.attempt).clear()
        await Surroundings(self._services, self.record).remove(volumes)
        self.log.remove()  # before anything is written: the disk may be full
        self._services.home.forget(server_id, self.record.spec.generation)
        self._services.sampler.forget(server_id)
        gone: dict[str, Any] = {"phase": Phase.ABSENT, "reason": "", "tools": None, "tools_hash": "", **NOT_RUNNING}
        self.state = self._board.retire(self.state.model_copy(update=gone))
        self.attempt.settle(False, self.state)
