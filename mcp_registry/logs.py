"""What a server printed, read from its toolbox."""

from __future__ import annotations

from dtma_client import DtmaError, ServerNotFound
from dtma_wire import LogLine
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, dtma_of

TAIL_LIMIT = 10_000


async def read_log(server: McpServer, tail: int) -> list[LogLine]:
    """The last ``tail`` lines, oldest first; empty for a server that its toolbox has not taken on yet. Raises `Unavailable`."""
    lines: list[LogLine] = []
    try:
        async with dtma_of(server.toolbox) as dtma:
            async for batch in dtma.logs(str(server.pk), tail=tail):
                lines += batch
    except ServerNotFound:
        return []
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error
    return lines
