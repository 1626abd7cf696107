"""What a server prints, as it reaches the script of its log page: through DTMA, the control plane and the page's WebSocket.

    .venv/bin/python -m bench.log_page [--lines 200000] [--json]

On a fresh Agentopia: single lines, ten milliseconds apart, that carry the time at which they were printed; a burst of lines as fast as the
server can print, with every line number looked at (what is missing must have been said to be missing); and the memory of DTMA and of the
web process after it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import psutil

from bench.logs import PRINTER
from bench.measured import Api, fresh_agentopia, machine
from bench.toolbox import IMAGE, running_dtma

DRIPS = 300
TARGET_MS = 100.0
TARGET_RATE = 20_000
LIMIT_SECONDS = 180
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
DROPPED = re.compile(r"(\d+) lines dropped")


async def printer(api: Api) -> str:
    """Deploy the printer of ``bench.logs``; returns the server's id."""
    package = {
        "registryType": "oci",
        "identifier": IMAGE,
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": value} for value in ("python", "-c", PRINTER)],
    }
    document = {"name": f"org.example/p{uuid4().hex[:10]}", "description": "Prints.", "version": "1.0.0", "packages": [package]}
    entry = await api.ask("POST", "catalog/", document)
    server = await api.ask("POST", "servers/", {"entry": entry["id"]})
    assert (await api.settled(server["id"]))["status"] == "running"
    return str(server["id"])


async def sign_in(api: Api, session: aiohttp.ClientSession) -> None:
    """As a browser does."""
    async with session.get("/accounts/login/") as response:
        found = TOKEN.search(await response.text())
    assert found is not None
    form = {"csrfmiddlewaretoken": found[1], "username": api.stack.demo_email, "password": api.stack.demo_password}
    async with session.post("/accounts/login/", data=form, headers={"Origin": api.stack.url}) as response:
        response.raise_for_status()


async def lines_of(page: aiohttp.ClientWebSocketResponse) -> AsyncIterator[list[tuple[int, str, str]]]:
    """The lines as the page receives them, each frame acknowledged once it has been looked at. An empty list: it is live from now on."""
    async for message in page:
        frame = json.loads(message.data)
        if frame["kind"] == "lines":
            yield frame["lines"]
            await page.send_str('{"kind":"got"}')
        elif frame["kind"] == "state" and frame["live"]:
            yield []


async def read(page: AsyncIterator[list[tuple[int, str, str]]], count: int) -> tuple[float, int, list[float]]:
    """The lines of one call: how many a second, how many were said to be dropped, and how late each was that tells its time, in ms."""
    expected, dropped, began, late = 0, 0, 0.0, []
    async for lines in page:
        began = began or time.perf_counter()
        for _, stream, text in lines:
            if stream == "dtma":
                gap = DROPPED.search(text)
                missing = int(gap[1]) if gap else 0
                dropped, expected = dropped + missing, expected + missing
                continue
            assert int(text[:8]) == expected, f"{text[:60]!r} instead of line {expected}"
            expected += 1
            if "." in text:
                late.append((time.time() - float(text[9:])) * 1000)
        if expected == count:
            return (count - dropped) / (time.perf_counter() - began), dropped, late
    raise AssertionError("The page's socket was closed.")


async def measure(count: int) -> dict[str, float]:
    async with running_dtma():  # for its image alone
        pass
    async with fresh_agentopia() as api, aiohttp.ClientSession(api.stack.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        await sign_in(api, browser)
        server_id = await printer(api)
        address = f"/ws/servers/{server_id}/log/lines/?tail=1"
        async with asyncio.timeout(LIMIT_SECONDS), browser.ws_connect(address, headers={"Origin": api.stack.url}, max_msg_size=0) as page:
            batches = lines_of(page)
            while await anext(batches):
                pass

            async def told(what: str, number: int) -> tuple[float, int, list[float]]:
                call = api.ask("POST", f"servers/{server_id}/tools/{what}/call/", {"arguments": {"count": number}})
                telling = asyncio.create_task(call)
                result = await read(batches, number)
                await telling
                return result

            _, _, late = await told("drip", DRIPS)
            rate, dropped, _ = await told("burst", count)
        return {
            "p50_ms": statistics.median(late),
            "p95_ms": statistics.quantiles(late, n=20)[-1],
            "lines_per_second": rate,
            "dropped": dropped,
            "dtma_mb": psutil.Process(api.stack.process("dtma")).memory_info().rss / 2**20,
            "web_mb": psutil.Process(api.stack.process("web")).memory_info().rss / 2**20,
        }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lines", type=int, default=200_000)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen.lines))
    print(f"print to page    p50 {figures['p50_ms']:.1f} ms, p95 {figures['p95_ms']:.1f} ms")
    print(f"a burst          {figures['lines_per_second']:.0f} lines/s of {chosen.lines}; {figures['dropped']:.0f} said to be dropped")
    print(f"memory after it  DTMA {figures['dtma_mb']:.0f} MB, web {figures['web_mb']:.0f} MB")
    kept = figures["p95_ms"] < TARGET_MS and figures["lines_per_second"] >= TARGET_RATE
    print(f"It {'keeps' if kept else 'MISSES'} its targets: p95 below {TARGET_MS:g} ms, {TARGET_RATE} lines/s.")
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
