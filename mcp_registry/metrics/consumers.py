"""The WebSocket of a server's metrics: beside the fragments of every page of a server, what it uses as it is sampled, as JSON.

``{"kind": "samples", "begin", "points", "problem"}``: ``begin`` says that the points are the last few minutes and not the next moments;
``{"kind": "changed"}``: something happened to the server, so what is stored of it is worth reading again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from channels.db import database_sync_to_async

from agentopia.lib.errors import AgentopiaError
from dtma_client import DtmaError, ServerNotFound
from dtma_wire import Stats
from mcp_registry import selectors
from mcp_registry.clocks import ours
from mcp_registry.consumers import ServerPage
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, dtma_of
from toolboxes.models import Toolbox

LAST_SAMPLES = 60
"""Five minutes: all that DTMA keeps."""
RETRY_SECONDS = 3.0


class ServerMetricsPage(ServerPage):
    """A server's metrics."""

    parts = ("server_page.html#header", "server_page.html#said")

    async def connect(self) -> None:
        self._known: Any = None
        await super().connect()
        if self.joined:
            self.start(self._follow())

    async def look_again(self, event: dict[str, Any]) -> None:
        await super().look_again(event)
        await self._look()

    async def _look(self) -> None:
        state = await database_sync_to_async(self._state)()
        if state != self._known:  # and not another server of the owner's
            self._known = state
            await self._say("changed")

    def _state(self) -> Any:
        return McpServer.objects.filter(pk=self.kwargs["server_id"]).values_list("generation", "phase", "restarts").first()

    async def _follow(self) -> None:
        await self._look()  # what happened since the page was made, or while it was not connected, nobody has told it
        said = None
        while True:
            server = await database_sync_to_async(selectors.server_for)(self.user, self.kwargs["server_id"])
            problem = ""
            try:
                async with aclosing(samples_of(server)) as samples:
                    begin = True
                    async for batch in samples:
                        await self._say("samples", points=batch, begin=begin, problem="")
                        begin, said = False, ""
            except ServerNotFound:
                problem = "The toolbox has not taken on this server yet."
            except AgentopiaError as error:
                problem = f"{error.message} What is shown is what was stored."
            if problem != said:
                await self._say("samples", points=[], begin=False, problem=problem)
                said = problem
            await asyncio.sleep(RETRY_SECONDS)

    async def _say(self, kind: str, **content: Any) -> None:
        await self.send(json.dumps({"kind": kind, **content}, separators=(",", ":")))


async def samples_of(server: McpServer) -> AsyncGenerator[list[dict[str, Any]]]:
    """The last minutes at first, in one piece, then each sample as it is taken. Raises `AgentopiaError` and ``ServerNotFound``."""
    try:
        async with dtma_of(server.toolbox) as dtma:
            async with aclosing(dtma.stats(str(server.pk), tail=LAST_SAMPLES)) as kept:
                known = [sample async for sample in kept]
            yield [_point(server.toolbox, sample, before) for before, sample in zip([None, *known], known, strict=False)]
            last = known[-1] if known else None
            async with aclosing(dtma.stats(str(server.pk), tail=LAST_SAMPLES, follow=True)) as following:
                async for sample in following:
                    if last is None or sample.at > last.at:
                        yield [_point(server.toolbox, sample, last)]
                        last = sample
    except ServerNotFound:
        raise
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error


def _point(toolbox: Toolbox, sample: Stats, before: Stats | None) -> dict[str, Any]:
    """As the REST API tells a point, and how many processes were killed for memory since the one before."""

    def rate(field: str) -> float | None:
        now, then = getattr(sample, field), None if before is None else getattr(before, field)
        if before is None or now is None or then is None or sample.at <= before.at:
            return None
        return float(max(0, now - then) / (sample.at - before.at).total_seconds())

    return {
        "at": ours(toolbox, sample.at).isoformat(),
        "cpu_percent": sample.cpu_percent,
        "memory_bytes": sample.memory_bytes,
        "memory_limit_bytes": sample.memory_limit_bytes,
        "received_per_second": rate("network_received_bytes"),
        "sent_per_second": rate("network_sent_bytes"),
        "kills": 0 if before is None else max(0, sample.out_of_memory_kills - before.out_of_memory_kills),
    }
