"""What a server printed, read from its toolbox: its end, page by page backwards, or all of it.

Times are told twice. Where reading goes on, forwards or backwards, the toolbox must be told its own; what is shown is by our clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

from dtma_client import DtmaClient, DtmaError, ServerNotFound
from dtma_wire import LogLine
from mcp_registry.clocks import ours
from mcp_registry.models import McpServer
from mcp_registry.neighbours import upgrade, wire_version_of
from toolboxes.dtma import as_agentopia_error, dtma_of
from toolboxes.models import Toolbox

TAIL_LIMIT = 10_000
READS_BACKWARDS = 4
"""The first version of the protocol whose logs have ``before=``."""
_EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)
_HARDLY = timedelta(seconds=2)
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND

type Batches = AsyncGenerator[list[LogLine]]


def micro_of(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // MICROSECOND


def moment_of(micro: int) -> datetime:
    """The reverse; what is no moment becomes the nearest one."""
    return _EPOCH + min(max(micro, 0), _LATEST) * MICROSECOND


def ahead_of_ours(toolbox: Toolbox, lines: list[LogLine]) -> timedelta:
    """How far ahead of ours the clock is by which these lines were timed: one figure for all, so that their order stays.

    A line that has just come may seem to be of the next moment, since the clocks are compared over a network: that is left so, for it is to
    have the same time whenever it is read.
    """
    skew = timedelta(seconds=toolbox.skew_seconds)
    ahead = lines[-1].ts - ours(toolbox, lines[-1].ts)
    return skew if ahead - skew < _HARDLY else ahead


def by_our_clock(toolbox: Toolbox, lines: list[LogLine]) -> list[LogLine]:
    """The lines with their times as our clock would have told them."""
    ahead = ahead_of_ours(toolbox, lines)
    return [line.model_copy(update={"ts": line.ts - ahead}) for line in lines]


def shortcoming(toolbox: Toolbox) -> str:
    """What the log page cannot do with this toolbox, and what to do about it; empty where it can do all."""
    if wire_version_of(toolbox) >= READS_BACKWARDS:
        return ""
    return f"This toolbox keeps fewer lines, does not say where it dropped old ones, and is slow at reading back. {upgrade(toolbox)}"


@asynccontextmanager
async def log_of(server: McpServer) -> AsyncIterator[DtmaClient]:
    """A client to read its log with; what DTMA raises is raised as `Unavailable` and the like, but for `ServerNotFound`."""
    try:
        async with dtma_of(server.toolbox) as dtma:
            yield dtma
    except ServerNotFound:
        raise
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error


async def read_back(server: McpServer, before: datetime, count: int) -> Batches:
    """The last ``count`` lines before a moment of the toolbox's clock, oldest first."""
    async with log_of(server) as dtma:
        if wire_version_of(server.toolbox) >= READS_BACKWARDS:
            async with aclosing(dtma.logs(str(server.pk), tail=count, before=before)) as batches:
                async for batch in batches:
                    yield batch
        elif lines := await _picked(dtma, server, before, count):
            yield lines


async def _picked(dtma: DtmaClient, server: McpServer, before: datetime, count: int) -> list[LogLine]:
    """The same from a toolbox that cannot read backwards: out of all that it has."""
    lines: deque[LogLine] = deque(maxlen=count)
    async with aclosing(dtma.logs(str(server.pk))) as batches:
        async for batch in batches:
            lines += (line for line in batch if line.ts < before)
            if batch[-1].ts >= before:
                break
    return list(lines)


async def whole_log(server: McpServer) -> Batches:
    """All lines that the toolbox has, by our clock; none for a server that it has not taken on yet."""
    try:
        async with log_of(server) as dtma, aclosing(dtma.logs(str(server.pk))) as batches:
            async for batch in batches:
                yield by_our_clock(server.toolbox, batch)
    except ServerNotFound:
        return


async def read_log(server: McpServer, tail: int) -> list[LogLine]:
    """The last ``tail`` lines, oldest first; empty for a server that its toolbox has not taken on yet. Raises `Unavailable`."""
    lines: list[LogLine] = []
    try:
        async with log_of(server) as dtma, aclosing(dtma.logs(str(server.pk), tail=tail)) as batches:
            async for batch in batches:
                lines += by_our_clock(server.toolbox, batch)
    except ServerNotFound:
        return []
    return lines
