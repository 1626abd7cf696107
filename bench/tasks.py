"""Tasks done in the chat by an agent that holds all servers of the catalogue; their end state is verified.

    .venv/bin/python -m bench.tasks [--tasks FILE …] [--faults SPEC] [--json] [--only id,id] [--servers all|tasks|slug,slug]
        [--mode selected|search|all] [--gold] [--jobs 2] [--seconds 180] [--keep-images]

A fresh Agentopia is started, and as many entries of the catalogue deployed on its toolbox as the machine's memory holds; those that the
tasks use share one volume. Each task is set up there (files, SQL, memory graph, Git), asked through the REST API in a conversation of its
own, and followed to its end; then its ``verify`` expressions are evaluated. The model is scripted (``bench/scripted``): it does what a
competent one would do with the tools that it is given, so what fails is the runtime's fault. With ``AGENTOPIA_MODEL`` (``kind:model``) and
a key the real one is measured (``bench/tasking/models.py``).

All tasks are done once with nothing wrong, and once in each mode of ``--faults``: ``usual`` (malformed_args, http_429, http_500,
disconnect, server_crash, slow_tool), ``all``, ``none``, or modes separated by commas; ``+`` joins faults that occur together.
``--gold`` makes the calls of the tasks' own solutions through the REST API, without a model.

With ``--json`` the last line is ``{"success", "success_faults", "tasks", …}``: shares from 0 to 1, with faults that of the worst mode. Exit
code 1 below 0.95, or 0.9 with faults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a file, and not only as a module

from bench.measured import machine
from bench.tasking.modes import modes
from bench.tasking.running import Chosen, measure
from bench.tasking.suite import load
from deploy.local.processes import ROOT

TASKS = ROOT / "bench" / "tasking" / "tasks.json"


def options() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, nargs="+", default=[TASKS], help="files of tasks")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="ids of tasks, separated by commas")
    parser.add_argument("--faults", default="usual")
    parser.add_argument("--servers", default="all")
    parser.add_argument("--mode", choices=("selected", "search", "all"), default="selected", help="how the agent comes to its tools")
    parser.add_argument("--gold", action="store_true")
    parser.add_argument("--jobs", type=int, default=2, help="how many servers are deployed at a time")
    parser.add_argument("--seconds", type=float, default=180, help="for one task")
    parser.add_argument("--keep-images", action="store_true", help="leave the images for the next run")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    return parser.parse_args()


def main() -> None:
    wanted = options()
    chosen = Chosen(
        tasks=load(wanted.tasks, wanted.only),
        modes=[] if wanted.gold else modes(wanted.faults),
        servers=wanted.servers,
        tool_mode=wanted.mode,
        gold=wanted.gold,
        jobs=wanted.jobs,
        seconds=wanted.seconds,
        keep_images=wanted.keep_images,
    )
    print(machine(), flush=True)
    try:
        report = asyncio.run(measure(chosen))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("\nStopped; what it had started is removed.")
    print(report)
    if wanted.json:
        print(json.dumps(report.as_json()))
    sys.exit(not report.met)


if __name__ == "__main__":
    main()
