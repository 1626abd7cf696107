"""What a server prints, followed through DTMA and through the engine's own API in the same run.

    .venv/bin/python -m bench.logs [--lines 50000] [--turns 3] [--json]

Bursts in turns, each followed by one reader: the engine's ``logs?follow=1`` of a container of the same image that DTMA does not
know, over its Unix socket; DTMA's ``/logs?follow=true`` read as plain NDJSON; and the same through ``dtma_client``, which makes a
model of every line. The reader checks the number of every line. Then single lines, ten milliseconds apart, that carry the time at
which they were printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import aiodocker
import aiohttp

from bench.measured import machine
from bench.toolbox import IMAGE, Toolbox, running_dtma
from tests.dtma.agent import ENGINE_URL

RATIO = 0.9
TARGET_MS = 100.0
LIMIT_SECONDS = 120
PRINTER = """
import json, os, sys, time
def burst(count):
    block = memoryview(b"".join(b"%08d %s\\n" % (number, b"x" * 90) for number in range(count)))
    while block:
        block = block[os.write(2, block[:65536]):]
def drip(count):
    for number in range(count):
        time.sleep(0.01)
        sys.stderr.write(f"{number:08d} {time.time():.6f}\\n")
        sys.stderr.flush()
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "p", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("burst", "drip")]}
    else:
        {"burst": burst, "drip": drip}[params["name"]](params["arguments"]["count"])
        sys.stderr.flush()
        result = {"content": []}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""
type Print = Callable[[str, int], Awaitable[None]]
"""Tells the server to ``burst`` or ``drip`` so many lines."""
type Batches = AsyncIterator[list[str]]
"""Lines as they arrive. The first batch is empty: from then on nothing is missed."""


class Way:
    """One way to follow a server's lines."""

    def __init__(self, name: str, tell: Print, follow: Callable[[], Batches]) -> None:
        self.name = name
        self._tell = tell
        self._follow = follow

    async def read(self, what: str, count: int) -> tuple[float, list[tuple[float, str]]]:
        """Have so many lines printed; returns lines per second from the first batch on, and per batch when it came and its last line."""
        batches = self._follow()
        arrived: list[tuple[float, str]] = []
        expected = 0
        async with asyncio.timeout(LIMIT_SECONDS), aclosing(batches):
            await anext(batches)
            telling = asyncio.create_task(self._tell(what, count))
            async for lines in batches:
                arrived.append((time.time(), lines[-1]))
                for line in lines:
                    assert int(line[:8]) == expected, f"{self.name}: {line[:60]!r} instead of line {expected}"
                    expected += 1
                if len(arrived) == 1:
                    began, first = time.perf_counter(), expected
                if expected == count:
                    break
            took = time.perf_counter() - began
            await telling
        return (count - first) / took if count > first else 0.0, arrived


@asynccontextmanager
async def engine_alone() -> AsyncIterator[Way]:
    """A container of its own, its log read from the engine with as little as possible in between."""
    docker = aiodocker.Docker(ENGINE_URL)
    config = {
        "Image": IMAGE, "Cmd": ["python", "-c", PRINTER], "OpenStdin": True, "StdinOnce": False, "Tty": False,
        "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "json-file", "Config": {}}},
    }  # fmt: skip
    container = await docker.containers.create(config=config)
    connector = aiohttp.UnixConnector(path=ENGINE_URL.removeprefix("unix://"))
    try:
        async with (
            container.attach(stdin=True, stdout=True) as stream,
            aiohttp.ClientSession("http://engine", connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http,
        ):
            await container.start()

            async def tell(what: str, count: int) -> None:
                order = {"id": 1, "method": "tools/call", "params": {"name": what, "arguments": {"count": count}}}
                await stream.write_in(json.dumps(order).encode() + b"\n")
                await stream.read_out()

            async def follow() -> Batches:
                params = {"follow": "1", "stderr": "1", "tail": "0"}
                async with http.get(f"/containers/{container.id}/logs", params=params) as response:
                    response.raise_for_status()
                    yield []
                    rest = b""
                    async for chunk in response.content.iter_any():
                        lines, rest = unframed(rest + chunk)
                        if lines:
                            yield lines

            yield Way("the engine's own", tell, follow)
    finally:
        await container.delete(force=True)
        await docker.close()


def unframed(data: bytes) -> tuple[list[str], bytes]:
    """The lines of whole frames (Engine API, "Attach to a container"): with this log driver each is one; and the rest."""
    lines, at = [], 0
    while len(data) - at >= 8:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8])
        if end > len(data):
            break
        lines.append(data[at + 8 : end - 1].decode())
        at = end
    return lines, data[at:]


def through_dtma(toolbox: Toolbox, server_id: str) -> tuple[Way, Way]:
    """As plain NDJSON, and with ``dtma_client``."""

    async def tell(what: str, count: int) -> None:
        await toolbox.client.mcp(server_id).call_tool(what, {"count": count}, LIMIT_SECONDS)

    async def plain() -> Batches:
        params = {"follow": "true", "tail": "1"}
        async with (
            toolbox.agent.http(timeout=aiohttp.ClientTimeout(total=None)) as http,
            http.get(f"/v1/servers/{server_id}/logs", params=params) as response,
        ):
            response.raise_for_status()
            content = response.content.iter_any()
            await anext(content)  # the line before
            yield []
            rest = b""
            async for chunk in content:
                *lines, rest = (rest + chunk).split(b"\n")
                texts = [found["text"] for line in lines if "text" in (found := json.loads(line))]
                if texts:
                    yield texts

    async def client() -> Batches:
        async with aclosing(toolbox.client.logs(server_id, tail=1, follow=True)) as batches:
            await anext(batches)
            yield []
            async for batch in batches:
                yield [line.text for line in batch]

    return Way("DTMA, plain NDJSON", tell, plain), Way("DTMA, dtma_client", tell, client)


async def measure(lines: int, turns: int) -> dict[str, dict[str, float]]:
    async with running_dtma() as toolbox, engine_alone() as engine:
        await toolbox.run("printer", "python", "-c", PRINTER)
        ways = (engine, *through_dtma(toolbox, "printer"))
        rates: dict[str, list[float]] = {way.name: [] for way in ways}
        waits: dict[str, list[float]] = {way.name: [] for way in ways}
        costs: dict[str, list[float]] = {way.name: [] for way in ways}
        for way in ways:
            await way.read("burst", lines // 10)
        for _ in range(turns):
            for way in ways:
                used = toolbox.cpu_seconds
                rates[way.name].append((await way.read("burst", lines))[0])
                costs[way.name].append((toolbox.cpu_seconds - used) / lines * 1e6)
        for way in ways:
            _, arrived = await way.read("drip", 300)
            waits[way.name] = [(at - float(line[9:])) * 1000 for at, line in arrived]
    base = statistics.median(rates[engine.name])
    return {
        name: {
            "lines_per_second": statistics.median(rates[name]),
            "of_the_engine": statistics.median(rates[name]) / base,
            "dtma_cpu_us_per_line": statistics.median(costs[name]),
            "p50_ms": statistics.median(waits[name]),
            "p95_ms": statistics.quantiles(waits[name], n=20)[-1],
        }
        for name in rates
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lines", type=int, default=50_000)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen.lines, chosen.turns))
    for name, figure in figures.items():
        rate = f"{figure['lines_per_second']:8.0f} lines/s ({figure['of_the_engine']:.2f})"
        cost = f"{figure['dtma_cpu_us_per_line']:4.1f} µs of DTMA's CPU per line"
        print(f"{name:<20} {rate}, {cost}, print to reader p50 {figure['p50_ms']:6.2f} ms, p95 {figure['p95_ms']:6.2f} ms")
    ours = figures["DTMA, plain NDJSON"]
    kept = ours["of_the_engine"] >= RATIO and ours["p95_ms"] < TARGET_MS
    print(f"DTMA {'keeps' if kept else 'MISSES'} its targets: {RATIO:g} of the engine's throughput, p95 below {TARGET_MS:g} ms.")
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
