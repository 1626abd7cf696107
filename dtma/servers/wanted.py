"""What the control plane wants changed, said in its answer to a heartbeat: carried out without holding up the next one."""

from __future__ import annotations

import asyncio
import logging

from dtma.errors import Refusal
from dtma.servers.fleet import Fleet
from dtma.tasks import background, cancelled
from dtma_wire import Wanted

logger = logging.getLogger(__name__)


class WantedChanges:
    """Each is repeated with every answer until a heartbeat shows that it came true, so the same one under way is not begun again."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._under_way: dict[str, tuple[Wanted, asyncio.Task[None]]] = {}

    def take(self, wanted: tuple[Wanted, ...]) -> None:
        """Begin to stop and remove what shall be; a server that shall run needs its spec first, which comes in a PUT."""
        for wish in wanted:
            known = self._under_way.get(wish.id)
            if wish.desired == "running" or (known is not None and known[0] == wish):
                continue
            task = background(self._carry_out(wish), f"carrying out that {wish.id} shall be {wish.desired}")
            self._under_way[wish.id] = (wish, task)
            task.add_done_callback(lambda done, server_id=wish.id: self._over(server_id, done))  # type: ignore[misc]

    async def close(self) -> None:
        """DTMA ends. What was accepted is on the disk, and is carried on with by the next one."""
        for _, task in list(self._under_way.values()):
            await cancelled(task)

    async def _carry_out(self, wish: Wanted) -> None:
        try:
            if wish.desired == "absent":
                await self._fleet.delete(wish.id, wish.volumes, wish.generation)
            else:
                await self._fleet.find(wish.id).stop(wish.generation)
        except Refusal as refusal:  # it is wanted again with the next heartbeat, if it still is
            logger.warning("server %s shall be %s (generation %d): %s", wish.id, wish.desired, wish.generation, refusal)

    def _over(self, server_id: str, task: asyncio.Task[None]) -> None:
        known = self._under_way.get(server_id)
        if known is not None and known[1] is task:
            del self._under_way[server_id]
