"""What is measured, always in turns with the same upstream without a gateway (A B B A), so that both meet the same machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.bare import attached
from bench.dtma.figures import Figure
from bench.gateway.client import Caller, Way, busy
from bench.gateway.stack import IMAGE, MANY, Deployed

ATTACH_TURN = 20
OPENED_AT_ONCE = 20
SESSIONS_APART_SECONDS = 0.1


@dataclass(frozen=True)
class Pair:
    """What came of one way and of the other, turn by turn: p50 in ms, calls per second; CPU per call in ms by a process, of the second."""

    p50: tuple[list[float], list[float]]
    rate: tuple[list[float], list[float]]
    cpu: dict[str, list[float]]

    def ratio(self, kind: str) -> float:
        """The second way's figure over the first's, the median over the turns."""
        first, second = getattr(self, kind)
        return float(statistics.median(b / a for a, b in zip(first, second, strict=True)))

    def medians(self, kind: str) -> tuple[float, float]:
        first, second = getattr(self, kind)
        return statistics.median(first), statistics.median(second)


async def in_turns(on: Deployed, ways: tuple[Way, Way], what: str, clients: int, rounds: int, seconds: float) -> Pair:
    """So many clients each way, each a session of its own that was opened before."""
    crowds = [[await way.opened() for _ in range(clients)] for way in ways]
    for crowd in crowds:
        await busy(crowd, what, seconds / 4)
        close(crowd)
    p50: tuple[list[float], list[float]] = ([], [])
    rate: tuple[list[float], list[float]] = ([], [])
    cpu: dict[str, list[float]] = {}
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            before = on.used()
            turn = await busy(crowds[which], what, seconds)
            close(crowds[which])  # the sessions stay; a connection that waits for the other's turn may be closed in the moment it is used
            p50[which].append(statistics.median(turn.taken))
            rate[which].append(turn.rate)
            if which == 1:
                for name, used in on.used().items():
                    cpu.setdefault(name, []).append((used - before[name]) / len(turn.taken) * 1000)
    return Pair(p50, rate, cpu)


def close(crowd: list[Caller]) -> None:
    """Hang up; each connects again with its next call."""
    for caller in crowd:
        caller.close()


async def latency(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """One client: over the attach stream of a container of the same image, and against the same server's own HTTP."""
    caller = await on.through["stdio"].opened()
    async with attached(IMAGE, ["sdk", "stdio", "10"]) as request:

        async def bare(text: str) -> str:
            result = await request("tools/call", {"name": "echo", "arguments": {"text": text}})
            return str(result["content"][0]["text"])

        taken: dict[object, list[float]] = {bare: [], caller: []}
        for _ in range(rounds * 5):
            for way in (bare, caller, caller, bare):
                for number in range(ATTACH_TURN):
                    began = time.perf_counter()
                    said = await (caller.echo if way is caller else bare)(f"call {number}")
                    taken[way].append((time.perf_counter() - began) * 1000)
                    assert said == f"call {number}"
    caller.close()
    attach, through = statistics.median(taken[bare]), statistics.median(taken[caller])
    work = f"{len(taken[caller])} calls each way; p50 {attach:.2f} and {through:.2f} ms"
    return [
        Figure("a call over the attach stream itself, p50", through - attach, "ms", 2.0, work=work),
        *await against(on, "sdk", 1, rounds, seconds, p50=1.9),
        *await against(on, "stdio", 1, rounds, seconds, p50=1.9),
    ]


async def against(on: Deployed, server: str, clients: int, rounds: int, seconds: float, *, p50: float | None, rate: float | None = None,
                  cpu: float | None = None) -> list[Figure]:  # fmt: skip
    """A server behind the gateway, and the same one over HTTP without it: "stdio" is "sdk" as what DTMA starts and speaks to by pipes."""
    bare = "sdk" if server == "stdio" else server
    pair = await in_turns(on, (on.direct[bare], on.through[server]), "echo", clients, rounds, seconds)
    direct, through = pair.medians("p50")
    per_second = "{:.0f} and {:.0f} calls/s".format(*pair.medians("rate"))
    costs = {name: statistics.median(spent) for name, spent in pair.cpu.items()}
    beside = "; ".join(f"{name} {cost:.2f} ms" for name, cost in costs.items() if name != "web")
    crowd = f"{clients} client{'s' if clients > 1 else ''}, {server}"
    return [
        Figure(f"p50 / direct, {crowd}", pair.ratio("p50"), "×", p50, work=f"{direct:.2f} and {through:.2f} ms"),
        Figure(f"calls/s / direct, {crowd}", pair.ratio("rate"), "×", rate, at_least=True, work=per_second),
        Figure(f"CPU per call in the web process, {crowd}", costs["web"], "ms", cpu, work=beside),
    ]


async def throughput(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """Many clients: on the SDK's server as it comes, and on one that costs nothing, which shows what the gateway does."""
    figures = []
    for server in ("sdk", "stdio"):
        figures += await against(on, server, 16, rounds, seconds, p50=1.7, rate=0.9, cpu=0.8)
        figures += await against(on, server, 64, rounds, seconds, p50=1.1, rate=0.9, cpu=0.8)
    figures += await against(on, "lean", 16, rounds, seconds, p50=None, cpu=0.7)
    pair = await in_turns(on, (on.through["sdk"], on.whole), "echo", 16, rounds, seconds)
    return [*figures, Figure("calls/s of the whole agent / of one server, 16 clients", pair.ratio("rate"), "×", work="names are prefixed")]


async def lists(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """``tools/list`` of a thousand tools, at the server's own address and at the agent's."""
    figures = []
    for what, way in (("one server", on.through["many"]), ("the whole agent", on.many)):
        caller = await way.opened()
        assert await caller.listed() == MANY
        caller.close()
        pair = await in_turns(on, (on.direct["many"], way), "listed", 1, rounds, seconds)
        work = "{:.1f} and {:.1f} ms".format(*pair.medians("p50"))
        figures.append(Figure(f"tools/list of {MANY} tools / direct, {what}", pair.ratio("p50"), "×", 0.3, work=work))
    return figures


async def results(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """Answers of 100 KB."""
    figures = []
    for server in ("sdk", "stdio"):
        pair = await in_turns(on, (on.direct["sdk"], on.through[server]), "big", 1, rounds, seconds)
        work = "{:.1f} and {:.1f} ms".format(*pair.medians("p50"))
        figures.append(Figure(f"a result of 100 KB / direct, p50, {server}", pair.ratio("p50"), "×", 1.4, work=work))
    return figures


async def sessions(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """A new session: until it is open, and until its first call is answered. What the one before left to be done is not to disturb it."""
    figures = []
    for server in ("sdk", "stdio"):
        opened: tuple[list[float], list[float]] = ([], [])
        called: tuple[list[float], list[float]] = ([], [])
        ways = (on.direct["sdk"], on.through[server])
        for number in range(OPENED_AT_ONCE * rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                began = time.perf_counter()
                caller = await ways[which].opened()
                opened[which].append((time.perf_counter() - began) * 1000)
                await caller.echo("first")
                called[which].append((time.perf_counter() - began) * 1000)
                caller.close()
                await asyncio.sleep(SESSIONS_APART_SECONDS)
        for what, taken, target in (("a new session", opened, None), ("a new session with its first call", called, 1.3)):
            one, other = map(statistics.median, taken)
            figures.append(Figure(f"{what} / direct, p50, {server}", other / one, "×", target, work=f"{one:.1f} and {other:.1f} ms"))
    return figures


async def memory(on: Deployed, rounds: int, seconds: float) -> list[Figure]:
    """Of the web process, after everything else that this run has measured."""
    return [Figure("memory of the web process (PSS)", on.web.memory_mb, "MB", work="the dashboard is part of it")]


PARTS: dict[str, Callable[[Deployed, int, float], Awaitable[list[Figure]]]] = {
    "latency": latency,
    "throughput": throughput,
    "lists": lists,
    "results": results,
    "sessions": sessions,
    "memory": memory,
}
