"""Facts about this host."""

from __future__ import annotations

import functools
import os
import platform
import socket
import time
from pathlib import Path

from dtma import __version__
from dtma.engine import Engine, EngineFacts, EngineRefused
from dtma.errors import EngineUnavailable
from dtma.observing.load import disk
from dtma_wire import WIRE_VERSION, HostInfo
from mcp_protocol.versions import ALL_VERSIONS

FACTS_SECONDS = 300.0
"""For so long what the engine said of itself is believed, provided that it answers: to count its containers costs it more than that."""
_UNAME = os.uname()


class Host:
    """Asked for again and again."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._home = home
        self._facts = EngineFacts("", (), "")
        self._asked_at = -FACTS_SECONDS

    async def info(self) -> HostInfo:
        """What every heartbeat carries."""
        known = self._facts.version and time.monotonic() < self._asked_at + FACTS_SECONDS
        if not (known and await self._engine.answers()):
            self._facts = await _engine_facts(self._engine)
            self._asked_at = time.monotonic()
        return _host_info(self._facts, self._home)


async def host_info(engine: Engine, home: Path) -> HostInfo:
    """What ``GET /v1/info`` answers."""
    return _host_info(await _engine_facts(engine), home)


async def _engine_facts(engine: Engine) -> EngineFacts:
    try:
        return await engine.facts()
    except (EngineUnavailable, EngineRefused) as error:
        return EngineFacts("", (), str(error))


def _host_info(facts: EngineFacts, home: Path) -> HostInfo:
    _, free, size = disk(home)
    return HostInfo(
        dtma_version=__version__,
        wire_version=WIRE_VERSION,
        mcp_versions=ALL_VERSIONS,
        hostname=socket.gethostname(),
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free_bytes=free,
        disk_bytes=size,
        arch=_UNAME.machine,
        system=_system(),
        kernel=_UNAME.release,
        engine_version=facts.version,
        engine_problem=facts.problem,
        isolation=facts.isolation,
    )


@functools.cache
def _system() -> str:
    """What the operating system calls itself, e.g. ``Debian GNU/Linux 13 (trixie)``."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", _UNAME.sysname)
    except OSError:
        return _UNAME.sysname
