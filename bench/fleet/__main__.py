"""A fleet of 5,000 toolboxes with 10 servers each, reporting every 15 s to a fresh Agentopia on this machine.

    .venv/bin/python -m bench.fleet [--minutes 1.5] [--toolboxes 5000] [--servers 10] [--changes 0.02] [--no-usage] [--json]

The toolboxes are simulated by one process: each has its own certificate and keeps one TLS connection; a share of their heartbeats
(2 %) tells of a server that changed, and one a minute what the servers used. On ten of them a server changes every 5 s, which is
reported at once, while its page and its owner's list of servers are open. What is measured begins after one round of heartbeats.
The load generator runs on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.dtma.figures import Figure
from bench.fleet.pages import Watch, open_pages
from bench.fleet.usage import Usage, usage
from bench.measured import fresh_agentopia, machine
from deploy.local.processes import ROOT
from tests.stack import Stack

SAMPLE_SECONDS = 10.0
BOUND = 240 + 1440 + 4320


def rows(stack: Stack, what: str, folder: Path, *arguments: str) -> str:
    """Run `bench.fleet.rows` on the stack's database; returns what it prints."""
    command = [sys.executable, "-m", "bench.fleet.rows", what, str(folder), *arguments]
    environment = {**stack.environment, "DJANGO_SETTINGS_MODULE": "agentopia.settings", "PORT": str(stack.port)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


class Run:
    """One run of the generator, and what was seen meanwhile."""

    def __init__(self, stack: Stack, folder: Path, chosen: argparse.Namespace) -> None:
        self._stack, self._folder, self._chosen = stack, folder, chosen
        self.samples: list[dict[str, Usage]] = []
        self.told: dict[str, Any] = {}
        self.seconds = 0.0

    async def measure(self, watch: Watch) -> None:
        """Start the toolboxes and follow them to the end."""
        generator = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.fleet.toolboxes", str(self._folder)),
            *(
                "--seconds",
                str(60 * self._chosen.minutes),
                "--changes",
                str(self._chosen.changes),
                *(("--no-usage",) if self._chosen.no_usage else ()),
            ),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=2**26,
        )
        assert generator.stdout is not None
        assert generator.stdin is not None
        sampling: asyncio.Task[None] | None = None
        try:
            async for line in generator.stdout:
                said = json.loads(line)
                self.told |= said
                if "connected" in said:
                    print(f"{said['connected']} toolboxes connected in {said['seconds']:.0f} s", flush=True)
                    generator.stdin.write(b"go\n")
                elif "warm" in said:
                    sampling, began = asyncio.create_task(self._sample()), time.monotonic()
                elif "watched" in said and sampling is not None:
                    watch.sent(said["watched"], said["mark"], said["at"])
                elif "done" in said:
                    self.seconds = time.monotonic() - began
            self.samples.append(await asyncio.to_thread(usage, self._stack))
        finally:
            if sampling is not None:
                sampling.cancel()
        if await generator.wait():
            raise SystemExit("the toolboxes did not come to their end")

    async def _sample(self) -> None:
        while True:
            self.samples.append(await asyncio.to_thread(usage, self._stack))
            await asyncio.sleep(SAMPLE_SECONDS)


async def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Everything on a stack of its own."""
    async with fresh_agentopia() as api:
        with tempfile.TemporaryDirectory(prefix="bench-fleet-") as name:
            folder = Path(name)
            await asyncio.to_thread(rows, api.stack, "make", folder, "--toolboxes", str(chosen.toolboxes), "--servers", str(chosen.servers))
            fleet = json.loads((folder / "fleet.json").read_text())
            run = Run(api.stack, folder, chosen)
            async with open_pages(api.stack, fleet) as watch:
                await run.measure(watch)
                await asyncio.sleep(2)
                watch.close()
            if watch.reconnects:
                print(api.stack.logs("web")[-3000:], file=sys.stderr)
            stored = json.loads(await asyncio.to_thread(rows, api.stack, "check", folder))
    return figures(run, watch, stored, chosen)


def figures(run: Run, watch: Watch, stored: dict[str, Any], chosen: argparse.Namespace) -> list[Figure]:
    """The table."""
    done = run.told["done"]
    taken = statistics.quantiles(done["milliseconds"], n=100)
    not_taken = sum(done["refused"].values())
    work = f"{done['sent']:,} in {run.seconds:.0f} s, {done['changes']:,} with changes; {done['connected_again']} connections made again"
    seen = f"{len(watch.seconds)} times on {watch.pages} pages, which connected again {watch.reconnects} times"
    table = [
        Figure("a heartbeat, p50", taken[49], "ms", work=work),
        Figure("a heartbeat, p95", taken[94], "ms", 100),
        Figure("a heartbeat, p99", taken[98], "ms"),
        Figure("a heartbeat, longest", max(done["milliseconds"]), "ms"),
        Figure("heartbeats not taken", not_taken, "", 0, work=", ".join(f"{why}: {n}" for why, n in done["refused"].items())),
        Figure("toolboxes of which less is stored than was answered", stored["lost"], "", 0),
        Figure(
            "toolboxes whose servers' use is not stored exactly once", stored["usage_lost"], "", 0, work=f"{stored['usage_rows']:,} rows"
        ),
        Figure("a change until it is on an open page, p50", statistics.median(watch.seconds), "s"),
        Figure("a change until it is on an open page, longest", max(watch.seconds), "s", 2, work=seen),
        Figure("changes that a page did not show", watch.missed, "", 0),
    ]
    first, last = run.samples[0], run.samples[-1]
    for name in first:
        cpu = 100 * (last[name].cpu_seconds - first[name].cpu_seconds) / run.seconds
        table.append(Figure(f"{name}: processor", cpu, "% of 1"))
    table.append(Figure("the load generator: processor", 100 * run.told["cpu_seconds"] / run.seconds, "% of 1"))
    for name in ("intake", "postgres"):
        memory = [sample[name].memory_mb for sample in run.samples]
        half = len(memory) // 2
        grown = statistics.mean(memory[half:]) / statistics.mean(memory[:half])
        work = f"{memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at last, {max(memory):.0f} MB at most"
        table.append(Figure(f"{name}: memory, second half / first half", grown, "×", work=work))
    rows_each = stored["metrics"] / chosen.toolboxes
    by = ", ".join(f"{count:,} of {resolution} s" for resolution, count in stored["by_resolution"].items())
    size = f"{stored['metric_bytes'] / stored['metrics']:.0f} bytes each with their index"
    table.append(Figure("rows of figures per toolbox so far", rows_each, "", BOUND, work=f"{by}; {size}"))
    return table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=1.5)
    options.add_argument("--toolboxes", type=int, default=5000)
    options.add_argument("--servers", type=int, default=10)
    options.add_argument("--changes", type=float, default=0.02, help="share of heartbeats that tell of a change")
    options.add_argument("--no-usage", action="store_true", help="tell nothing of what servers use")
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    table = asyncio.run(measure(chosen))
    for figure in table:
        print(figure)
    print(f"load averages at the end: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    if chosen.json:
        print(json.dumps({figure.what: figure.measured for figure in table}))


if __name__ == "__main__":
    main()
