"""What servers use: every few seconds one pass over all running containers, without a word to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dtma.engine import Engine, EngineRefused
from dtma.observing.cgroups import open_gauges
from dtma.observing.cost import Meter
from dtma.observing.gauges import Gauges
from dtma.observing.usage import Usage

AT_ONCE = 5
"""So many servers are read before others get their turn; one takes about 0.1 ms."""


class Watched:
    """A running container whose figures are read until it is closed."""

    def __init__(self, container: str, usage: Usage, meter: Meter, gauges: Gauges | None) -> None:
        self._meter = meter
        self._container = container
        self._usage = usage
        self._gauges = gauges

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time used since the container started; None if that cannot be told."""
        try:
            return None if self._gauges is None else self._gauges.cpu_seconds()
        except OSError:
            return None

    def close(self) -> None:
        """The container ended or is let go; what it used stays counted. Closing it again does nothing."""
        gauges, self._gauges = self._gauges, None
        if gauges is not None:
            self._usage.remove(self._container)
            self._meter.gauges = None
            gauges.close()


class Sampler:
    """The usage of all servers of this DTMA."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._servers: dict[str, Usage] = {}

    def usage(self, server_id: str) -> Usage:
        """That of one server, whether it runs or not."""
        return self._servers.setdefault(server_id, Usage())

    @property
    def servers(self) -> Iterable[tuple[str, Usage]]:
        """The usage of each, by its id."""
        return self._servers.items()

    async def watch(self, engine: Engine, server_id: str, container: str, meter: Meter, *, running: bool = False) -> Watched:
        """Begin to read the figures of a container that was just started, or found ``running``, which ``meter`` reads too.

        Nothing is read where its figures cannot be. Raises ``EngineUnavailable``.
        """
        usage = self.usage(server_id)
        try:
            found = await engine.containers.find(container)
        except EngineRefused:
            found = None
        pid = int(found["State"]["Pid"]) if found is not None else 0
        gauges = open_gauges(container, pid) if pid else None
        if gauges is not None:
            usage.add(container, gauges, found=running)
        meter.gauges = gauges
        return Watched(container, usage, meter, gauges)

    def forget(self, server_id: str) -> None:
        """The server is gone; whoever follows its samples has read the last."""
        usage = self._servers.pop(server_id, None)
        if usage is not None:
            usage.close()

    async def run(self) -> None:
        """Endless."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._seconds, loop.time())
            await asyncio.sleep(due - loop.time())
            for number, usage in enumerate(list(self._servers.values()), 1):
                usage.sample()
                if not number % AT_ONCE:
                    await asyncio.sleep(0)
