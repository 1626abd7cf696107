"""One server towards whoever commands it: its verbs change what is desired, and wait for the reconciler to have done it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import ASGIApp

from dtma.errors import NotDone, NotReady, Stale
from dtma.isolation.surroundings import all_secrets
from dtma.observing.board import Board
from dtma.observing.logs import LogBook
from dtma.servers.progress import Attempt
from dtma.servers.reconciler import Reconciler
from dtma.services import Services
from dtma.store import Record, Volumes
from dtma_wire import Phase, Progress, ServerSpec, ServerState, Settled


class Server:
    """Every change is on the disk before it is acted on; one that cannot be stored raises ``DiskFull`` and changes nothing."""

    def __init__(self, services: Services, board: Board, record: Record) -> None:
        self._home = services.home
        self._driven = Reconciler(services, board, record)
        self._changing = asyncio.Lock()
        self._before_outage: ServerState | None = None

    @property
    def record(self) -> Record:
        """What is desired of it."""
        return self._driven.record

    @property
    def state(self) -> ServerState:
        """What is observed of it."""
        return self._driven.state

    @property
    def log(self) -> LogBook:
        """What it printed."""
        return self._driven.log

    @property
    def endpoint(self) -> ASGIApp:
        """Its MCP endpoint; raises ``NotReady``."""
        link = self._driven.link
        if link is None or link.endpoint is None:
            because = f": {self.state.reason}" if self.state.reason else "."
            raise NotReady(f"The server {self.record.spec.name} is {self.state.phase.value}{because}")
        return link.endpoint

    # --- the verbs ---

    async def put(self, spec: ServerSpec) -> AsyncIterator[Progress | Settled]:
        """Take a spec; yields the steps of the attempt that it begins or joins. Raises ``Stale`` or ``DiskFull`` before the first."""
        async with self._changing:
            self._refuse_stale(spec.generation)
            known = self.record.spec
            if spec.generation == known.generation and spec.fingerprint != known.fingerprint:
                known_as = f"Generation {spec.generation} of this server is known with other content."
                raise Stale(f"{known_as} Send a higher generation.", known.generation)
            same = spec.fingerprint == known.fingerprint and spec.desired == known.desired
            self._desire(spec)
            unfulfilled = self._driven.attempt.settled is not None and not self._driven.as_desired
            attempt = await self._begin_or_go_on(not same or not self._driven.begun or unfulfilled)
        async for event in attempt.follow():
            if isinstance(event, Settled) and event.ready and self._driven.link is not None and attempt is self._driven.attempt:
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
            failed = self._driven.attempt.settled is not None and self.state.phase is not Phase.ABSENT
            if self.record.deleting != volumes or failed:
                self._store(Record(self.record.id, spec, volumes), essential=True)
                await self._begin(fresh=False)
            attempt = self._driven.attempt
        state = (await attempt.finished()).server
        if state.phase is not Phase.ABSENT:
            raise NotDone(state.reason)
        return state

    # --- what happens around it ---

    def resume(self) -> None:
        """Begin to drive it after a start of DTMA."""
        self._driven.resume()

    async def let_go(self) -> None:
        """DTMA ends; the container runs on."""
        await self._driven.halt("DTMA is restarting.")
        self.log.close()

    def heard_of(self, action: str, container: str) -> None:
        """The engine reports ``oom``, ``die`` or ``health_status: …`` of one of its containers."""
        self._driven.heard_of(action, container)

    def engine_lost(self, reason: str) -> None:
        """Nobody knows any more what a server that nothing drives is doing."""
        if self._driven.idle and self._before_outage is None:
            self._before_outage = self.state
            self._driven.observe(phase=Phase.UNKNOWN, reason=reason)

    def engine_back(self) -> None:
        """A server that nothing drives is again what it was."""
        before, self._before_outage = self._before_outage, None
        if before is not None and self._driven.idle:
            self._driven.observe(phase=before.phase, reason=before.reason)

    # --- changing what is desired ---

    def _refuse_stale(self, generation: int | None) -> None:
        known = self.record.spec.generation
        if self.record.deleting is not None:
            raise Stale("This server is being deleted. Deploy it under a new id.", known)
        if generation is not None and generation < known:
            raise Stale(f"Generation {generation} of this server is older than {known}, which is known already.", known)

    def _desire(self, spec: ServerSpec, *, essential: bool = False) -> None:
        if spec == self.record.spec:
            return
        self._store(Record(self.record.id, spec), essential=essential)
        self.log.hide(all_secrets(spec))

    def _store(self, record: Record, *, essential: bool = False) -> None:
        self._home.save(record, essential=essential)
        self._driven.record = record

    async def _begin(self, *, fresh: bool) -> None:
        self._before_outage = None
        await self._driven.begin(fresh=fresh)

    async def _begin_or_go_on(self, begin: bool, *, fresh: bool = False) -> Attempt:
        """The attempt that answers a change. A generation is never told together with the phase of the one before."""
        if begin:
            await self._begin(fresh=fresh)
        elif self.state.generation != self.record.spec.generation:
            self._driven.observe(name=self.record.spec.name, generation=self.record.spec.generation)
        return self._driven.attempt

    async def _act(self, desired: str, generation: int | None, *, fresh: bool = False) -> ServerState:
        async with self._changing:
            self._refuse_stale(generation)
            in_progress = self._driven.begun and self._driven.attempt.settled is None
            changed = self.record.spec.desired != desired
            update: dict[str, Any] = {"desired": desired}
            if generation is not None:
                update["generation"] = generation
            self._desire(self.record.spec.model_copy(update=update), essential=True)
            anew = fresh or changed or not (in_progress or self._driven.as_desired)
            attempt = await self._begin_or_go_on(anew, fresh=fresh)
        await attempt.finished()
        return self.state
