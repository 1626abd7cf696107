"""How late what happens in a run is in the browser, and many runs at once.

    .venv/bin/python -m bench.chat [--runs 50] [--beats 40] [--every 0.1] [--rounds 5] [--json]

On a fresh Agentopia, with a scripted model in a process of its own and a server whose tool tells the time. Each run calls the tool, which
reports progress, and is then answered with pieces of text; every piece and every report holds the moment at which it was sent. They are
looked at on the page's WebSocket (HTML) and on the REST API's event stream. First one run after another, then ``--runs`` at once: none
may fail, and none may lose a piece. Everything, the clients too, runs on the same processors. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a file, and not only as a module

import aiohttp

from bench.chatting.watching import Seen, watched
from bench.dtma.figures import Figure
from bench.log_page import sign_in
from bench.measured import Api, fresh_agentopia, machine
from bench.scripted.endpoint import MODEL
from bench.toolbox import IMAGE, running_dtma
from deploy.local.processes import ROOT
from deploy.local.redis import free_port

CLOCK = ROOT / "bench" / "chatting" / "clock.py"
TARGET_MS = 100.0
READY_SECONDS = 30
LIMIT_SECONDS = 300
TICKS, TICK_SECONDS = 5, 0.2


@dataclass(frozen=True)
class Watching:
    """What is asked, of whom, and by whom."""

    api: Api
    browser: aiohttp.ClientSession
    agent: str
    text: str

    async def runs(self, count: int) -> list[Seen | BaseException]:
        """So many at once, each in a conversation of its own."""
        asked = (watched(self.api, self.browser, self.agent, self.text, LIMIT_SECONDS) for _ in range(count))
        return await asyncio.gather(*asked, return_exceptions=True)


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[str]:
    """The model in a process of its own; its base address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.scripted", "--port", str(port), cwd=ROOT)
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"http://127.0.0.1:{port}/health"):
                        break
                await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        await process.wait()


async def clock(api: Api) -> str:
    """Deploy the server that tells the time; its id."""
    package = {
        "registryType": "oci",
        "identifier": IMAGE,
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": value} for value in ("python", "-c", CLOCK.read_text())],
    }
    document = {"name": f"org.example/c{uuid4().hex[:10]}", "description": "Tells the time.", "version": "1.0.0", "packages": [package]}
    entry = await api.ask("POST", "catalog/", document)
    server = await api.ask("POST", "servers/", {"entry": entry["id"], "name": "clock"})
    settled = await api.settled(server["id"])
    assert settled["status"] == "running", settled
    return str(server["id"])


@contextlib.asynccontextmanager
async def watching(beats: int, every: float) -> AsyncIterator[Watching]:
    """Everything, started for this."""
    async with running_dtma():  # for its image alone
        pass
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(scripted())
        api = await stack.enter_async_context(fresh_agentopia())
        jar, unbounded = aiohttp.CookieJar(unsafe=True), aiohttp.TCPConnector(limit=0)
        browser = await stack.enter_async_context(aiohttp.ClientSession(api.stack.url, cookie_jar=jar, connector=unbounded))
        await sign_in(api, browser)
        server = await clock(api)
        stack.push_async_callback(api.gone, server)
        agent = (await api.ask("POST", "agents/", {"name": "Clock"}))["id"]
        await api.ask("POST", f"agents/{agent}/grants/", {"server": server, "tools": "all", "approval": "never"})
        provider = {"kind": "openai", "name": "Scripted", "base_url": url, "api_key": "scripted", "default_model": MODEL}
        made = await api.ask("POST", "model-providers/", provider)
        await api.ask("PUT", f"agents/{agent}/models/", [{"provider": made["id"], "model": MODEL}])
        (tool,) = (await api.ask("GET", f"agents/{agent}/tools/"))["results"]
        arguments = json.dumps({"times": TICKS, "every": TICK_SECONDS})
        yield Watching(api, browser, agent, f"call {tool['name']} {arguments} then beat {beats} every {every}")


def figures_of(what: str, seen: Sequence[Seen], target: float | None) -> list[Figure]:
    """The times, on the page and on the event stream."""
    figures = []
    for where, lates in (("page", [each.page for each in seen]), ("event stream", [each.program for each in seen])):
        for kind, values in (
            ("token", [ms for late in lates for ms in late.tokens.values()]),
            ("tool event", [ms for late in lates for ms in late.tool.values()]),
        ):
            p50, p95 = spread(values)
            figures += [
                Figure(f"{what}: {kind} to {where}, p50", p50, "ms", work=f"{len(values)} of them"),
                Figure(f"{what}: {kind} to {where}, p95", p95, "ms", target),
            ]
    return figures


def spread(values: Iterable[float]) -> tuple[float, float]:
    """p50 and p95. Raises `statistics.StatisticsError` where nothing arrived."""
    kept = sorted(values)
    return statistics.median(kept), statistics.quantiles(kept, n=20)[-1]


def failures(runs: Sequence[Seen | BaseException], beats: int) -> list[str]:
    """What went wrong, a line per run."""
    told = []
    for run in runs:
        if isinstance(run, BaseException):
            told.append(f"{type(run).__name__}: {run}")
        elif run.status != "succeeded":
            told.append(f"it {run.status}")
        elif run.beats != beats or len(run.program.tokens) != beats or not run.whole:
            told.append(f"pieces were lost: {run.beats} kept, {len(run.program.tokens)} told, {len(run.page.tokens)} shown, of {beats}")
    return told


async def measure(chosen: argparse.Namespace) -> list[Figure]:
    """One after the other, then all at once."""
    async with watching(chosen.beats, chosen.every) as on:
        alone: list[Seen | BaseException] = []
        for _ in range(chosen.rounds + 1):
            alone += await on.runs(1)
        _, *others = alone  # the first one loads what the runner needs
        together = await on.runs(chosen.runs)
    wrong = failures([*alone, *together], chosen.beats)
    for line in wrong:
        print(f"FAILED: {line}")
    figures = figures_of("one run", [run for run in others if isinstance(run, Seen)], TARGET_MS)
    figures += figures_of(f"{chosen.runs} runs at once", [run for run in together if isinstance(run, Seen)], None)
    figures.append(Figure("failed runs", len(wrong), "", 0, work=f"of {len(alone) + len(together)}"))
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=50, help="at once")
    options.add_argument("--beats", type=int, default=40, help="pieces of text in a run")
    options.add_argument("--every", type=float, default=0.1, help="seconds between them")
    options.add_argument("--rounds", type=int, default=5, help="runs one after the other")
    options.add_argument("--json", action="store_true", help="end with one line of JSON")
    chosen = options.parse_args()
    print(machine(), flush=True)
    figures = asyncio.run(measure(chosen))
    for figure in figures:
        print(figure)
    if chosen.json:
        print(json.dumps({figure.what: figure.measured for figure in figures}))
    sys.exit(not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()
