"""Server time and weight of every page, for a user of 1,000 servers, 100 toolboxes, 20,000 tools, 100,000 receipts, 5,000 conversations.

    .venv/bin/python -m bench.pages [--requests 60] [--servers 1000] [--toolboxes 100] [--only servers] [--json]

Every route that answers a GET with a page is asked for again and again, one request at a time, by a signed-in user of a fresh Agentopia.
The time is from the request to the last byte on 127.0.0.1, so that of the web server is in it; CPU is what the web process and PostgreSQL
used for one, which a busy machine changes less. The weight is all scripts and styles that the page names, gzipped.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import psutil

from bench.measured import fresh_agentopia, machine
from deploy.local.processes import ROOT
from tests.stack import Stack

TARGET_MS, TARGET_KB = 50, 100
ASSET = re.compile(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"')
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
WARM_UP = 5


@dataclass(frozen=True)
class Figure:
    """Of one page."""

    page: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    html_kb: float
    assets_kb: float

    @property
    def verdict(self) -> str:
        return "" if self.p95_ms < TARGET_MS and self.assets_kb < TARGET_KB else "  ABOVE"


def made(stack: Stack, servers: int, toolboxes: int) -> dict[str, Any]:
    """Run `bench.pages.rows` on the stack's database."""
    command = [sys.executable, "-m", "bench.pages.rows", "--servers", str(servers), "--toolboxes", str(toolboxes)]
    environment = {**os.environ, **stack.environment, "DJANGO_SETTINGS_MODULE": "agentopia.settings", "PORT": str(stack.port)}
    said: dict[str, Any] = json.loads(
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    )
    return said


class Pages:
    """The pages of one stack."""

    def __init__(self, session: aiohttp.ClientSession, requests: int, engines: list[psutil.Process]) -> None:
        self._session = session
        self._requests = requests
        self._engines = engines
        self._weights: dict[str, int] = {}

    async def measure(self, path: str) -> Figure | None:
        """None where it is no page."""
        async with self._session.get(path, allow_redirects=False) as response:
            if response.status != 200 or response.content_type != "text/html":
                return None
            html = await response.text()
        for _ in range(WARM_UP):
            await self._time(path)
        before = self._cpu_ms()
        times = [await self._time(path) for _ in range(self._requests)]
        cpu = (self._cpu_ms() - before) / self._requests
        assets = [await self._weight(address) for address in sorted(set(ASSET.findall(html)))]
        p95 = statistics.quantiles(times, n=20)[-1]
        return Figure(path, statistics.median(times), p95, cpu, len(html) / 1000, sum(assets) / 1000)

    async def _time(self, path: str) -> float:
        began = time.perf_counter()
        async with self._session.get(path) as response:
            await response.read()
        return (time.perf_counter() - began) * 1000

    def _cpu_ms(self) -> float:
        """What the web process and PostgreSQL have used so far; a connection that was closed meanwhile counts no more."""
        used = 0.0
        for engine in self._engines:
            for process in (engine, *engine.children()):
                with suppress(psutil.Error):
                    used += sum(process.cpu_times()[:2])
        return used * 1000

    async def _weight(self, address: str) -> int:
        if address not in self._weights:
            async with self._session.get(address) as response:
                response.raise_for_status()
                self._weights[address] = len(gzip.compress(await response.read(), 6))
        return self._weights[address]


async def measure(chosen: argparse.Namespace) -> list[Figure]:
    async with fresh_agentopia() as api:
        rows = await asyncio.to_thread(made, api.stack, chosen.servers, chosen.toolboxes)
        values = rows["values"]
        known = [route for route in rows["addresses"] if set(PARAMETER.findall(route)) <= values.keys() and "^" not in route]
        paths = sorted({"/" + PARAMETER.sub(lambda match: values[match[1]], route) for route in known})
        jar = {"sessionid": rows["session"]}
        async with aiohttp.ClientSession(api.stack.url, cookies=jar, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            engines = [psutil.Process(api.stack.process(name)) for name in ("web", "postgres")]
            pages = Pages(session, chosen.requests, engines)
            figures = [await pages.measure(path) for path in paths if chosen.only in path and "logout" not in path]
    return [figure for figure in figures if figure is not None]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=60)
    options.add_argument("--servers", type=int, default=1000)
    options.add_argument("--toolboxes", type=int, default=100)
    options.add_argument("--only", default="", help="pages whose address holds this")
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen))
    for figure in sorted(figures, key=lambda figure: -figure.p95_ms):
        print(
            f"{figure.page:<80} p50 {figure.p50_ms:6.1f} ms  p95 {figure.p95_ms:6.1f} ms  CPU {figure.cpu_ms:5.1f} ms  "
            f"html {figure.html_kb:6.1f} kB  scripts and styles {figure.assets_kb:5.1f} kB{figure.verdict}"
        )
    within = [figure for figure in figures if not figure.verdict]
    print(f"{len(within)} of {len(figures)} pages within {TARGET_MS} ms (p95) and {TARGET_KB} kB; load now {os.getloadavg()[0]:.1f}")
    if chosen.json:
        print(json.dumps({"pages": [asdict(figure) for figure in figures]}))
    return 0 if len(within) == len(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
