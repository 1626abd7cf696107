"""What a server printed, read from its toolbox."""

from __future__ import annotations

from dtma_client import DtmaError, ServerNotFound
from dtma_wire import LogLine
from mcp_registry.clocks import ours
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, dtma_of
from toolboxes.models import Toolbox

TAIL_LIMIT = 10_000


def by_our_clock(toolbox: Toolbox, lines: list[LogLine]) -> list[LogLine]:
    """The lines with their times as our clock would have told them. To go on after one of them, DTMA must be told its own time."""
    return [line.model_copy(update={"ts": ours(toolbox, line.ts)}) for line in lines]


async def read_log(server: McpServer, tail: int) -> list[LogLine]:
    """The last ``tail`` lines, oldest first; empty for a server that its toolbox has not taken on yet. Raises `Unavailable`."""
    lines: list[LogLine] = []
    try:
        async with dtma_of(server.toolbox) as dtma:
            async for batch in dtma.logs(str(server.pk), tail=tail):
                lines += by_our_clock(server.toolbox, batch)
    except ServerNotFound:
        return []
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error
    return lines
