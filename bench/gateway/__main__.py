"""What the gateway costs: a whole fresh Agentopia, servers on its toolbox, and outside clients with an API token.

    .venv/bin/python -m bench.gateway [--only latency throughput lists results sessions memory] [--rounds 5] [--seconds 3] [--json]

Every figure compares, within one run and in turns (A B B A), a call through the gateway and DTMA with the same call straight to the
server's container: policy, limits and the durable receipt included. CPU and memory are those of the web process (/proc). Prints each figure
with its target; the targets without a ratio of their own are what the best of other gateways reaches with the same upstream.
Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys

from bench.dtma.figures import Figure
from bench.gateway.measures import PARTS
from bench.gateway.stack import deployed
from bench.measured import machine


async def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All parts that are asked for, on one Agentopia."""
    figures: list[Figure] = []
    async with deployed() as on:
        for part in chosen.only:
            for figure in await PARTS[part](on, chosen.rounds, chosen.seconds):
                print(figure, flush=True)
                figures.append(figure)
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen))
    if chosen.json:
        print(json.dumps([dataclasses.asdict(figure) | {"met": figure.met} for figure in figures]))
    if not all(figure.met for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    main()
