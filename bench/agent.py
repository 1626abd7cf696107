"""What DTMA needs while nobody calls: resident memory and CPU with twenty servers, under mutual TLS, with heartbeats every 15 s.

    .venv/bin/python -m bench.agent [--servers 20] [--seconds 120] [--json]

A real DTMA on this machine's engine, deployed to as the control plane does; its heartbeats go to a listener over TLS. All is read from
/proc. Prints each figure with its target; exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys

from bench.dtma.figures import Figure
from bench.dtma.listener import Listener
from bench.dtma.many import IDLE_SERVERS, idle
from bench.measured import machine
from bench.toolbox import running_dtma


async def measure(servers: int, seconds: float) -> list[Figure]:
    """One DTMA, from its start."""
    listener = Listener()
    async with listener.listening(), running_dtma(control_url=listener.url) as toolbox:
        figures = await idle(toolbox, seconds, servers)
        beats = [size for heartbeat, size in listener.heard if not heartbeat.servers]
        figures.append(Figure("a heartbeat in which nothing changed", beats[-1] / 1024, "KB", work=f"{len(listener.heard)} were sent"))
        figures.append(Figure("threads", toolbox.threads, "", work="each has a stack and an arena of memory"))
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--servers", type=int, default=IDLE_SERVERS)
    options.add_argument("--seconds", type=float, default=120)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen.servers, chosen.seconds))
    for figure in figures:
        print(figure)
    if chosen.json:
        print(json.dumps([dataclasses.asdict(figure) | {"met": figure.met} for figure in figures]))
    if not all(figure.met for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    main()
