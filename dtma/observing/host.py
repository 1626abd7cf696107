"""Facts about this host."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from dtma import __version__
from dtma.engine import Engine, EngineFacts, EngineRefused
from dtma.errors import EngineUnavailable
from dtma.mcp.endpoint import VERSIONS
from dtma_wire import WIRE_VERSION, HostInfo


async def host_info(engine: Engine, home: Path) -> HostInfo:
    """What ``GET /v1/info`` answers and every heartbeat carries."""
    try:
        facts = await engine.facts()
    except (EngineUnavailable, EngineRefused) as error:
        facts = EngineFacts("", (), str(error))
    return HostInfo(
        dtma_version=__version__,
        wire_version=WIRE_VERSION,
        mcp_versions=VERSIONS,
        hostname=socket.gethostname(),
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free_bytes=shutil.disk_usage(home).free,
        engine_version=facts.version,
        engine_problem=facts.problem,
        isolation=facts.isolation,
    )
