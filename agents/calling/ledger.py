"""Where receipts are kept while calls are made.

A call of the gateway is written to a stream in Redis, which outlives this process and is drained into PostgreSQL within a moment; where
Redis is away, and for all other calls, into PostgreSQL itself. Where both are away there is no receipt, and so no call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from agents.approvals.waking import listening
from agents.calling.draining import drain_for_ever
from agents.calling.receipt import Receipt
from agents.calling.redis import keeping_connections
from agents.calling.rows import asked, store
from agents.calling.stream import Away, Stream
from agents.models import ToolCall
from agents.toolsets import loading, news
from agents.toolsets.types import Toolset

_streams: dict[asyncio.AbstractEventLoop, Stream] = {}


@asynccontextmanager
async def keeping_receipts() -> AsyncIterator[None]:
    """Within this the gateway's calls are written to the stream, what is in it, of whichever process, is drained into PostgreSQL, and
    calls that wait for a person hear of the decision at once.
    """
    loop = asyncio.get_running_loop()
    async with keeping_connections(), listening():
        stream = _streams[loop] = Stream()
        draining = asyncio.create_task(drain_for_ever())
        try:
            yield
        finally:
            del _streams[loop]
            await stream.aclose()
            draining.cancel()
            with suppress(asyncio.CancelledError):
                await draining


class Ledger:
    """Where one call's receipt goes."""

    __slots__ = ("_has_row", "_stream")

    def __init__(self, via: ToolCall.Via) -> None:
        self._stream = _streams.get(asyncio.get_running_loop()) if via == ToolCall.Via.GATEWAY else None
        self._has_row = False

    @property
    def has_stream(self) -> bool:
        """Whether it goes to Redis, as far as is known."""
        return self._stream is not None

    def goes_to_row(self) -> None:
        """There is a row of it already: it is written there from now on."""
        self._stream, self._has_row = None, True

    async def begin(self, receipt: Receipt) -> int | None:
        """Write that the call is made now; returns the newest version of the agent's toolset, which is asked for on the same way.

        Raises `Unavailable` where it cannot be written.
        """
        toolset = receipt.call.toolset
        if self._stream is not None:
            try:
                newest = await self._stream.began(receipt.id, receipt.encoded(), toolset.agent_id if toolset else None)
            except Away:
                self._stream = None
            else:
                return newest if newest is not None or toolset is None else await asked(_version, toolset)
        if not self._has_row:
            await asked(store, [receipt.encoded()], [])
            self._has_row = True
        return await newest_version(toolset) if toolset else None

    async def finish(self, receipt: Receipt) -> None:
        """Write how it ended. Raises `Unavailable` where that cannot be written."""
        if self._stream is not None:
            try:
                await self._stream.ended(receipt.id, receipt.encoded())
            except Away:
                self._stream = None
            else:
                return
        await asked(store, [], [receipt.encoded()])


async def newest_version(toolset: Toolset) -> int | None:
    """The newest version of the agent's toolset; None where the agent is gone."""
    stream = _streams.get(asyncio.get_running_loop())
    if stream is not None:
        with suppress(Away):
            newest = await stream.version(toolset.agent_id)
            if newest is not None:
                return newest
    return await asked(_version, toolset)


def _version(toolset: Toolset) -> int | None:
    version = loading.version_of(toolset.agent_id)
    if version is not None:
        news.note(toolset.agent_id, version)  # so that the next call finds it in Redis
    return version
