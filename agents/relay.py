"""Raw MCP requests to servers on toolboxes: what the gateway's calls go through. Nothing here touches the database on the way of a call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import DatabaseError

from agentopia.lib.errors import AgentopiaError, NotFound
from dtma_client import DtmaError, Endpoint
from dtma_client.exceptions import DtmaFault, DtmaTimeout, DtmaUnreachable, error_from
from dtma_client.raw import RawAnswer, RawClient
from toolboxes.dtma import as_agentopia_error, endpoint_of
from toolboxes.models import Toolbox

__all__ = ["DtmaError", "DtmaFault", "DtmaTimeout", "DtmaUnreachable", "RawAnswer", "Relay", "error_from", "relaying"]

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
"""For so long it is not asked whether a toolbox is still where, and who, it was."""
STALE_SECONDS = 5.0
"""What was looked at longer ago is not used before it was looked at again; in between that happens beside the calls."""


@dataclass(slots=True)
class _Passage:
    """The way to one toolbox."""

    toolbox: Toolbox
    version: tuple[Endpoint, datetime | None]
    client: RawClient
    looked_at: float


class Relay:
    """The ways to all toolboxes, of one event loop."""

    def __init__(self) -> None:
        self._passages: dict[UUID, _Passage] = {}
        self._looking: dict[UUID, asyncio.Task[_Passage]] = {}

    async def send(self, toolbox_id: UUID, server_id: UUID, method: bytes, headers: bytes, body: bytes = b"") -> RawAnswer:
        """One request to a server's MCP endpoint; ``headers`` are lines that end with CR LF.

        Raises `DtmaError` where there is no answer, and `AgentopiaError` where no machine is that toolbox now.
        """
        passage = self._passages.get(toolbox_id)
        age = STALE_SECONDS if passage is None else asyncio.get_running_loop().time() - passage.looked_at
        if passage is None or age >= STALE_SECONDS:
            passage = await asyncio.shield(self._look(toolbox_id))
        elif age >= FRESH_SECONDS:
            _ = self._look(toolbox_id)
        return await passage.client.request(method, b"/v1/servers/%s/mcp" % str(server_id).encode(), headers, body)

    def told(self, toolbox_id: UUID, error: DtmaError) -> AgentopiaError:
        """What a person is told of a failure."""
        passage = self._passages.get(toolbox_id)
        return as_agentopia_error(error, passage.toolbox if passage else Toolbox(name="?"))

    def close(self) -> None:
        """Hang up everywhere."""
        for task in self._looking.values():
            task.cancel()
        for passage in self._passages.values():
            passage.client.close()
        self._passages.clear()

    def _look(self, toolbox_id: UUID) -> asyncio.Task[_Passage]:
        """Find out where a toolbox is; at most one such task is under way for each."""
        task = self._looking.get(toolbox_id)
        if task is None:
            task = self._looking[toolbox_id] = asyncio.create_task(self._find(toolbox_id))
            task.add_done_callback(lambda done: self._looked(toolbox_id, done))
        return task

    def _looked(self, toolbox_id: UUID, task: asyncio.Task[_Passage]) -> None:
        del self._looking[toolbox_id]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; nobody may

    async def _find(self, toolbox_id: UUID) -> _Passage:
        known = self._passages.get(toolbox_id)
        try:
            toolbox = await database_sync_to_async(Toolbox.objects.filter(pk=toolbox_id).first)()
            if toolbox is None:
                raise NotFound("This toolbox was removed.", code="toolbox_not_found")
            endpoint = await endpoint_of(toolbox)
        except DatabaseError:
            if known is None:
                raise
            logger.warning("Where a toolbox is could not be looked up; it is called where it was.")
            known.looked_at = asyncio.get_running_loop().time()
            return known
        except AgentopiaError:
            self._drop(toolbox_id)  # what was revoked is not called over a connection of before either
            raise
        version = (endpoint, toolbox.enrolled_at)
        if known is None or known.version != version:
            self._drop(toolbox_id)
            known = self._passages[toolbox_id] = _Passage(toolbox, version, RawClient(endpoint), 0.0)
        known.looked_at = asyncio.get_running_loop().time()
        return known

    def _drop(self, toolbox_id: UUID) -> None:
        passage = self._passages.pop(toolbox_id, None)
        if passage is not None:
            passage.client.close()


@asynccontextmanager
async def relaying() -> AsyncIterator[Relay]:
    """The ways to toolboxes, for as long as the process serves."""
    relay = Relay()
    try:
        yield relay
    finally:
        relay.close()
