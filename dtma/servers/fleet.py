"""All servers of this toolbox."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

from dtma.engine import EngineRefused
from dtma.engine.client import RETRY_SECONDS
from dtma.errors import EngineUnavailable, Invalid, Stale, UnknownOrphan, UnknownServer
from dtma.isolation.container import volume_name
from dtma.labels import LABEL_SERVER
from dtma.observing.board import Board
from dtma.servers.orphans import Orphans
from dtma.servers.server import Server
from dtma.services import Services
from dtma.store import Record, Volumes
from dtma.tasks import background
from dtma_wire import Phase, Progress, ServerSpec, ServerState, Settled

logger = logging.getLogger(__name__)

_SERVER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Fleet:
    """Finds servers, holds the rule of generations, and follows the engine."""

    def __init__(self, services: Services, board: Board) -> None:
        self._services = services
        self._board = board
        self._servers = {record.id: Server(services, board, record) for record in services.home.records()}
        self.orphans = Orphans(services, board, self._servers)
        self._watching: list[asyncio.Task[None]] = []

    def resume(self) -> None:
        """Carry on where the last DTMA left off."""
        for server in self._servers.values():
            server.resume()
        self._watching.append(background(self._watch_engine(), "following the engine"))
        self._watching.append(background(self.orphans.keep_looking(), "looking for containers without a server"))

    async def let_go(self) -> None:
        """DTMA ends; containers run on."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*(server.let_go() for server in self._servers.values()))

    def find(self, server_id: str) -> Server:
        """A server; raises ``UnknownServer``."""
        server = self._servers.get(server_id)
        if server is None or (server.state.phase is Phase.ABSENT and server.record.deleting is not None):
            raise UnknownServer(server_id)
        return server

    def put(self, server_id: str, spec: ServerSpec) -> AsyncIterator[Progress | Settled]:
        """Take a spec; yields the steps to it. Raises ``Invalid`` at once, and ``Stale`` or ``DiskFull`` before the first."""
        if not _SERVER_ID.fullmatch(server_id):
            raise Invalid("The id of a server is 1 to 63 letters, digits, - and _.")
        server = self._servers.get(server_id)
        if server is None:
            known = self._services.home.minimum_generation(server_id)
            if spec.generation < known:
                raise Stale(f"This server was deleted with generation {known}, and generation {spec.generation} is older.", known)
            record = Record(server_id, spec)
            self._services.home.save(record)
            server = self._servers[server_id] = Server(self._services, self._board, record)
        return server.put(spec)

    async def delete(self, server_id: str, volumes: Volumes, generation: int | None) -> ServerState:
        """Remove a server; one that is not known is removed already, but for the data that was kept of it, which goes if told so."""
        if server_id not in self._servers:
            if volumes == "remove" and _SERVER_ID.fullmatch(server_id):
                await self._remove_kept(server_id, generation)
            return ServerState(id=server_id, generation=generation or 0, revision=0, phase=Phase.ABSENT)
        server = self._servers[server_id]
        state = await server.delete(volumes, generation)
        if self._servers.get(server_id) is server:
            del self._servers[server_id]
        return state

    async def _remove_kept(self, server_id: str, generation: int | None) -> None:
        """The volumes of a server that was deleted without them. What a container mounts, which then is an orphan, goes with that."""
        home, engine = self._services.home, self._services.engine
        known = home.minimum_generation(server_id)
        if generation is not None and generation < known:
            raise Stale(f"This server was deleted with generation {known}, and generation {generation} is older.", known)
        for name in await engine.volumes.matching(f"{LABEL_SERVER}={server_id}"):
            if await engine.volumes.discard(name, unless_used=True):
                home.forget_volume(name)
        if generation is not None and generation > known > 0:
            home.forget(server_id, generation)

    async def adopt(self, container: str) -> ServerState:
        """Take up an orphan, which goes on as it runs; answers when it is ready or has failed.

        All that is known of it is on the disk first: a DTMA that is killed here carries on from there. Raises ``Refusal``s.
        """
        server_id, spec, session = await self.orphans.recover(container)
        if not _SERVER_ID.fullmatch(server_id) or server_id in self._servers:
            raise UnknownOrphan(container)
        home = self._services.home
        for volume in spec.volumes:
            home.add_volume(volume_name(server_id, volume, toolbox=self._services.config.toolbox))
        home.save_session(server_id, session)
        record = Record(server_id, spec)
        home.save(record)
        server = self._servers[server_id] = Server(self._services, self._board, record)
        return await server.start(None)

    async def _watch_engine(self) -> None:
        """Follow the engine's events as long as it is there, and tell servers when it goes and comes."""
        engine, toolbox = self._services.engine, self._services.config.toolbox
        while True:
            try:
                await engine.wait_until_available()
                for server in self._servers.values():
                    server.engine_back()
                await self._services.guard.renew()
                await self.orphans.look()
                async for event in engine.events(toolbox):
                    actor = event.get("Actor", {})
                    owner = actor.get("Attributes", {}).get(LABEL_SERVER, "")
                    action, container = event.get("Action", ""), actor.get("ID", "")
                    if owner in self._servers:
                        self._servers[owner].heard_of(action, container)
                    self.orphans.heard_of(action, container, owner)
            except (EngineUnavailable, EngineRefused) as outage:
                if not await engine.answers():
                    logger.warning("%s", outage)
                    for server in self._servers.values():
                        server.engine_lost(str(outage))
                await asyncio.sleep(RETRY_SECONDS)
