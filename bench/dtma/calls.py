"""Tool calls: what one takes longer than over the attach stream itself, and how many go through at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

from bench.bare import attached
from bench.dtma.figures import Figure
from bench.load import Crowd, Session
from bench.toolbox import IMAGE, Toolbox
from dtma_wire import HttpTransport
from tests.dtma.authority import any_toolbox

TURN = 20
PORT = 8000
STDIO, HTTP, DIRECT = "stdio through DTMA", "HTTP through DTMA", "HTTP directly"
type Call = Callable[[str], Awaitable[str]]


async def latency(toolbox: Toolbox, calls: int) -> list[Figure]:
    """One client, one call at a time, in turns."""
    await toolbox.run("calls", "/opt/mcp/run", "stdio")
    session = Session(f"{toolbox.agent.url}/v1/servers/calls/mcp", tls=any_toolbox())
    await session.open()
    async with attached(IMAGE, ["stdio"]) as request:

        async def attach_stream(message: str) -> str:
            result = await request("tools/call", {"name": "echo", "arguments": {"message": message}})
            return str(result["content"][0]["text"])

        ways: tuple[Call, ...] = (attach_stream, session.echo, session.echo, attach_stream)
        taken: dict[Call, list[float]] = {way: [] for way in ways}
        for way in ways:
            await _timed(way)
        for _ in range(max(1, calls // TURN // 2)):
            for way in ways:
                taken[way] += await _timed(way)
    session.close()
    bare, through = statistics.median(taken[attach_stream]), statistics.median(taken[session.echo])
    work = f"{len(taken[session.echo])} calls each way in turns of {TURN}; p50 {bare:.2f} and {through:.2f} ms"
    return [Figure("a call through DTMA over the attach stream itself, p50", through - bare, "ms", 1.0, work=work)]


async def _timed(way: Call) -> list[float]:
    taken = []
    for number in range(TURN):
        began = time.perf_counter()
        said = await way(f"call {number}")
        taken.append((time.perf_counter() - began) * 1000)
        assert said == f"Echo: call {number}", said
    return taken


async def throughput(toolbox: Toolbox, rounds: int, seconds: float) -> list[Figure]:
    """Many clients at once: the same server behind DTMA, by both of its transports, and with nothing before it."""
    await toolbox.run("stdio", "/opt/mcp/run", "stdio")
    await toolbox.run("http", "/opt/mcp/run", "http", str(PORT), transport=HttpTransport(port=PORT, path="/mcp"))
    addresses = {
        STDIO: f"{toolbox.agent.url}/v1/servers/stdio/mcp",
        HTTP: f"{toolbox.agent.url}/v1/servers/http/mcp",
        DIRECT: f"http://{await toolbox.address('http')}:{PORT}/mcp",
    }
    figures = []
    for clients in (16, 64):
        rates: dict[str, list[float]] = {way: [] for way in addresses}
        costs: dict[str, list[float]] = {way: [] for way in addresses}
        crowds = {way: Crowd(url, clients, tls=None if way == DIRECT else any_toolbox()) for way, url in addresses.items()}
        for crowd in crowds.values():
            await crowd.open()
            await crowd.calls_per_second(seconds / 4)
        for _ in range(rounds):
            for way in (DIRECT, STDIO, HTTP, HTTP, STDIO, DIRECT):
                used = toolbox.cpu_seconds
                rate, calls = await crowds[way].calls_per_second(seconds)
                rates[way].append(rate)
                costs[way].append((toolbox.cpu_seconds - used) / calls * 1000)
        for crowd in crowds.values():
            crowd.close()
        direct = statistics.median(rates[DIRECT])
        for way in (STDIO, HTTP):
            rate, cost = statistics.median(rates[way]), statistics.median(costs[way])
            work = f"{rounds} × ABCCBA of {seconds:g} s; {rate:.0f} and {direct:.0f} calls/s"
            # Behind DTMA a server's own HTTP is one hop more on the same cores: only its stdio can be quicker than its HTTP.
            target = 1.0 if way == STDIO else None
            figures += [
                Figure(f"calls/s, {clients} clients: {way} / {DIRECT}", rate / direct, "×", target, at_least=True, work=work),
                Figure(f"DTMA's CPU per call, {clients} clients: {way}", cost, "ms", 0.5, work="/proc/PID/stat over the same runs"),
            ]
    return figures
