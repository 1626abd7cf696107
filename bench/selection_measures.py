"""How good a ranking is, by what each request needs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

CUTS = (1, 5, 10)
DEEPEST = 10


def gains(needed: Sequence[Sequence[str]], ranked: Iterable[str]) -> list[int]:
    """1 for each rank that has a needed tool; of those that do for one another only the first takes a rank."""
    need_of = {tool: number for number, group in enumerate(needed) for tool in group}
    seen: set[int] = set()
    found = []
    for tool in ranked:
        need = need_of.get(tool)
        if need is None:
            found.append(0)
        elif need not in seen:
            seen.add(need)
            found.append(1)
    return found


def measures(needed: Sequence[Sequence[str]], ranked: Iterable[str]) -> dict[str, float]:
    """Of one request."""
    found = gains(needed, ranked)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(len(needed), DEEPEST)))
    return {
        **{f"recall@{cut}": sum(found[:cut]) / len(needed) for cut in CUTS},
        f"ndcg@{DEEPEST}": sum(gain / math.log2(rank + 2) for rank, gain in enumerate(found[:DEEPEST])) / ideal,
        "mrr": next((1 / (rank + 1) for rank, gain in enumerate(found) if gain), 0.0),
    }


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def measured(rank: Callable[[str], Sequence[int]], ids: Sequence[str], queries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The means over all requests, those of each part (what stands before ":" in an id), and milliseconds."""
    rank(queries[0]["query"])  # what is loaded at first use is no part of a query
    parts: dict[str, list[dict[str, float]]] = {}
    wall, cpu = [], []
    for query in queries:
        began, spent = time.perf_counter(), time.process_time()
        ranked = rank(query["query"])
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - spent) * 1000)
        needed = query.get("gold_any") or [[tool] for tool in query["gold"]]
        parts.setdefault(query["id"].split(":")[0], []).append(measures(needed, (ids[place] for place in ranked)))
    by_part = {part: means(rows) for part, rows in parts.items()}
    return {
        **means([row for rows in parts.values() for row in rows]),
        "p50_ms": statistics.median(wall),
        "p95_ms": sorted(wall)[int(len(wall) * 0.95)],
        "cpu_ms": statistics.fmean(cpu),
        "parts": by_part,
        "mean_of_parts": means(list(by_part.values())),
    }
