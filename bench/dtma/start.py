"""From the PUT to ready, against a bare ``docker run`` of the same image."""

from __future__ import annotations

import statistics
import time

from bench.bare import docker_run
from bench.dtma.figures import Figure
from bench.toolbox import IMAGE, Toolbox


async def to_ready(toolbox: Toolbox, rounds: int) -> list[Figure]:
    """Rounds of A B B A; the image is there before."""
    await _put(toolbox)
    puts, bare = [], []
    for _ in range(rounds):
        first = await _put(toolbox)
        before, names = await docker_run(IMAGE, ["stdio"])
        after, _ = await docker_run(IMAGE, ["stdio"])
        last = await _put(toolbox)
        assert names == ["echo"]
        puts.append((first + last) / 2)
        bare.append((before + after) / 2)
    ratio = statistics.median(a / b for a, b in zip(puts, bare, strict=True))
    work = f"{rounds} × ABBA; {statistics.median(puts):.2f} and {statistics.median(bare):.2f} s; docker run + initialize + tools/list"
    return [Figure("PUT to ready / bare docker run to tools listed", ratio, "×", 1.15, work=work)]


async def _put(toolbox: Toolbox) -> float:
    """Seconds to ready. The server is deleted again."""
    began = time.perf_counter()
    await toolbox.run("start", "/opt/mcp/run", "stdio")
    took = time.perf_counter() - began
    await toolbox.client.delete("start", volumes="remove")
    return took
