"""Many servers on one toolbox: memory and CPU while nobody calls, and how long they take to come."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from pydantic import SecretStr

from bench.dtma.figures import Figure
from bench.dtma.listener import Listener
from bench.toolbox import Toolbox, spec
from dtma_wire import Resources, ServerSpec
from tests.dtma.agent import deploy

IDLE_SERVERS = 20
CALM_SECONDS = 5
KB = 1024


def small(name: str) -> ServerSpec:
    """A server that needs next to nothing, but has a secret, as most do."""
    changes: dict[str, Any] = {"resources": Resources(memory_mb=64, pids=16), "secrets": {"API_KEY": SecretStr("a secret of the bench")}}
    return spec(name, "python", "/srv/echo_small.py", **changes)


def _ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


async def _put_all(toolbox: Toolbox, names: list[str]) -> tuple[float, list[str]]:
    """PUT all at once; returns the seconds until all had settled and why some failed."""
    began = time.perf_counter()
    settled = await asyncio.gather(*(deploy(toolbox.client, name, small(name)) for name in names))
    took = time.perf_counter() - began
    return took, [last.server.reason for _, last in settled if not last.ready]


async def idle(toolbox: Toolbox, seconds: float, servers: int = IDLE_SERVERS) -> list[Figure]:
    """What a DTMA with twenty ready servers needs while nothing happens."""
    empty = toolbox.rss_mb
    _, failures = await _put_all(toolbox, _ids(servers))
    assert not failures, failures[0]
    await asyncio.sleep(CALM_SECONDS)
    used = toolbox.cpu_seconds
    await asyncio.sleep(seconds)
    cpu = (toolbox.cpu_seconds - used) / seconds * 100
    work = f"{servers} servers, each with a secret"
    return [
        Figure(f"resident memory, idle with {servers} servers", toolbox.rss_mb, "MB", 60, work=f"{work}; {empty:.1f} MB with none"),
        Figure(f"CPU, idle with {servers} servers", cpu, "% core", 1, work=f"{work}, over {seconds:g} s, heartbeats included"),
    ]


async def hundred(toolbox: Toolbox, listener: Listener, servers: int) -> list[Figure]:
    """All servers told to run at once."""
    used = toolbox.cpu_seconds
    took, failures = await _put_all(toolbox, _ids(servers))
    cpu = toolbox.cpu_seconds - used
    steady = await listener.steady()
    complete = await listener.complete()
    first = f"the first, with all states and tools: {sum(complete) / KB:.1f} KB in {len(complete)}"
    return [
        Figure(f"{servers} servers: PUT all to all ready", took, "s", work=f"at once; DTMA's CPU {cpu:.1f} s"),
        Figure(f"{servers} servers: failed", len(failures), "", 0, work=failures[0] if failures else ""),
        Figure(f"{servers} servers: a heartbeat", steady / KB, "KB", 32, work=first),
        Figure(f"{servers} servers: resident memory", toolbox.rss_mb, "MB", work="ready, nobody calls"),
    ]
