"""Containers that carry this toolbox's label though no server of this DTMA owns them: its home was lost, or put back from a backup."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container

from dtma.about import About, Unknowable, about_of
from dtma.engine import EngineRefused, Found
from dtma.errors import EngineUnavailable, NotAdoptable, NotDone, UnknownOrphan
from dtma.isolation import secret_files
from dtma.isolation.container import object_name, secret_volume_name
from dtma.isolation.firewall import Unguarded
from dtma.labels import LABEL_REPLICA, LABEL_SERVER, LABEL_TOOLBOX
from dtma.observing.board import Board
from dtma.services import Services
from dtma.store import Session, Volumes
from dtma_wire import Orphan, ServerSpec

logger = logging.getLogger(__name__)

TELLING = frozenset({"create", "start", "die", "destroy", "pause", "unpause"})
"""Events after which they may be others than before."""
MOMENT_SECONDS = 0.3


class Orphans:
    """Looks for them when it is told to, and takes care of each as its owner decides. ``owned`` are the ids of all servers."""

    def __init__(self, services: Services, board: Board, owned: Container[str]) -> None:
        self._services = services
        self._engine = services.engine
        self._toolbox = services.config.toolbox
        self._board = board
        self._owned = owned
        self._seen: tuple[Orphan, ...] | None = None
        self._told = asyncio.Event()

    @property
    def current(self) -> tuple[Orphan, ...] | None:
        """All that there are, the oldest first; None while nobody knows."""
        if self._seen is None:
            return None
        return tuple(orphan for orphan in self._seen if orphan.server not in self._owned)

    async def look(self) -> None:
        """See what there is. Containers of servers that were deleted are removed; raises ``EngineUnavailable`` and ``EngineRefused``."""
        seen = []
        for found in await self._orphaned():
            if self._services.home.was_deleted(found.labels[LABEL_SERVER]):
                logger.warning("removing the container %s of a server that was deleted", found.name)
                await self._engine.containers.remove(found.id)
            else:
                seen.append(_orphan(found))
        before, self._seen = self._seen, tuple(sorted(seen, key=lambda orphan: (orphan.created_at, orphan.container)))
        if before != self._seen:
            for orphan in set(self._seen).difference(before or ()):
                logger.warning("the container %s has our labels, but no server %s is known; it is left alone", orphan.name, orphan.server)
            self._board.stir()

    def heard_of(self, action: str, container: str, owner: str) -> None:
        """An event of the engine may be a reason to look again."""
        if action in TELLING and (owner not in self._owned or any(orphan.container == container for orphan in self._seen or ())):
            self._told.set()

    async def keep_looking(self) -> None:
        """Endless: look again a moment after there was a reason. The engine tells of an event before its own lists show it."""
        while True:
            await self._told.wait()
            await asyncio.sleep(MOMENT_SECONDS)
            self._told.clear()
            try:
                await self.look()
            except (EngineUnavailable, EngineRefused) as problem:
                logger.warning("containers without a server were not looked for: %s", problem)

    async def remove(self, container: str, volumes: Volumes) -> None:
        """Remove one; with the last container of its server all else of that goes too, its data only if told so."""
        try:
            await self._remove(container, volumes)
        except EngineRefused as refusal:
            raise NotDone(f"The Docker engine did not remove it: {refusal}.") from refusal

    async def recover(self, container: str) -> tuple[str, ServerSpec, Session]:
        """The id and the spec of its server, and the session to go on with; raises ``UnknownOrphan`` and ``NotAdoptable``."""
        found = await self._find(container)
        shown = None if found is None else await self._engine.containers.find(container)
        if found is None or shown is None:
            raise UnknownOrphan(container)
        try:
            spec = _known(found).spec(dict(entry.partition("=")[::2] for entry in shown["Config"].get("Env") or ()))
        except Unknowable as reason:
            raise NotAdoptable(str(reason)) from None
        session = Session(
            container=found.id,
            image=await self._engine.images.name_of(shown["Image"]),
            started_at=shown["State"]["StartedAt"],
            initialize_result={},
            tools=(),
            adopted_as=self._services.home.label(spec),
        )
        return found.labels[LABEL_SERVER], spec, session

    async def _remove(self, container: str, volumes: Volumes) -> None:
        found = await self._find(container)
        if found is None:
            return
        owner = found.labels[LABEL_SERVER]
        await self._engine.containers.remove(container)
        if not any(other.labels[LABEL_SERVER] == owner for other in await self._orphaned()):
            await self._remove_surroundings(owner, volumes)
        await self.look()

    async def _orphaned(self) -> list[Found]:
        """Of ours, with a server's id that is nobody's. What has none is about to go: it only makes a volume."""
        ours = await self._engine.containers.with_label(f"{LABEL_TOOLBOX}={self._toolbox}")
        return [
            found
            for found in ours
            if found.labels.get(LABEL_SERVER) and found.labels[LABEL_SERVER] not in self._owned and not found.name.endswith(".owner")
        ]

    async def _find(self, container: str) -> Found | None:
        """One of them; None if there is no such container at all. Raises ``UnknownOrphan`` for one that is none."""
        found = next((found for found in await self._orphaned() if found.id == container), None)
        if found is None and await self._engine.containers.find(container) is not None:
            raise UnknownOrphan(container)
        return found

    async def _remove_surroundings(self, owner: str, volumes: Volumes) -> None:
        await self._engine.networks.remove(f"{LABEL_SERVER}={owner}")
        try:
            await self._services.guard.release(owner)
        except Unguarded as problem:
            logger.warning("the rules of %s are still in the firewall: %s", owner, problem)
        await asyncio.to_thread(secret_files.remove, self._toolbox, owner)
        await self._engine.volumes.discard(secret_volume_name(owner))
        if volumes == "remove":
            for name in await self._engine.volumes.remove(f"{LABEL_SERVER}={owner}"):
                self._services.home.forget_volume(name)


def _orphan(found: Found) -> Orphan:
    reason = name = ""
    try:
        name = about_of(found.labels).name
        _known(found)
    except Unknowable as problem:
        reason = str(problem)
    return Orphan(
        container=found.id,
        name=found.name,
        server=found.labels[LABEL_SERVER],
        server_name=name,
        image=found.image,
        created_at=found.created_at,
        running=found.running,
        adoptable=not reason,
        reason=reason,
    )


def _known(found: Found) -> About:
    """What it says of itself, if it can be taken up as it runs; raises ``Unknowable``."""
    about = about_of(found.labels)
    if LABEL_REPLICA in found.labels:
        raise Unknowable("It belongs to another container of the same server, and goes when that is adopted.")
    if found.name != object_name(found.labels[LABEL_SERVER]):
        raise Unknowable("It does not have the name that DTMA gave it.")
    if not found.running:
        raise Unknowable("It does not run: deploy the server anew, with the data that is there.")
    about.spec(dict.fromkeys(about.secrets, ""))  # whether the rest is understood
    return about
