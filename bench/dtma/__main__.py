"""What DTMA costs: a real one on this machine's engine, driven through its client, without a control plane.

    .venv/bin/python -m bench.dtma [--only latency throughput start idle hundred] [--rounds 5] [--seconds 4] [--json]

Every figure is a comparison within one run, in turns (A B B A), or read from /proc. Prints each with its target and whether it is met.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json

from bench.dtma.calls import latency, throughput
from bench.dtma.figures import Figure
from bench.dtma.listener import Listener
from bench.dtma.many import hundred, idle
from bench.dtma.start import to_ready
from bench.measured import machine
from bench.toolbox import Toolbox, running_dtma

PARTS = ("latency", "throughput", "start", "idle", "hundred")


async def measure(part: str, chosen: argparse.Namespace) -> list[Figure]:
    """One part, on a DTMA of its own."""
    listener = Listener()
    async with listener.listening(), running_dtma(control_url=listener.url) as toolbox:
        return await _measured(part, toolbox, listener, chosen)


async def _measured(part: str, toolbox: Toolbox, listener: Listener, chosen: argparse.Namespace) -> list[Figure]:
    match part:
        case "latency":
            return await latency(toolbox, chosen.calls)
        case "throughput":
            return await throughput(toolbox, chosen.rounds, chosen.seconds)
        case "start":
            return await to_ready(toolbox, chosen.rounds)
        case "idle":
            return await idle(toolbox, chosen.idle_seconds)
        case _:
            return await hundred(toolbox, listener, chosen.servers)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--calls", type=int, default=800)
    options.add_argument("--idle-seconds", type=float, default=60)
    options.add_argument("--servers", type=int, default=100)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = []
    for part in chosen.only:
        for figure in asyncio.run(measure(part, chosen)):
            print(figure, flush=True)
            figures.append(figure)
    if chosen.json:
        print(json.dumps([dataclasses.asdict(figure) | {"met": figure.met} for figure in figures]))


if __name__ == "__main__":
    main()
