"""How well and how fast tools are found: `python bench/selection.py --data DIR [--json] [--sizes 10000 100000]`.

DIR holds `tools.jsonl` ({"id", "server", "name", "description", "input_schema"}) and `queries.jsonl` ({"id", "query", "gold"}; where it has
"gold_any", lists of ids, one of each list counts). All tools in DIR are ranked at once, as for one agent that has them all. BM25 and the
dense model alone are measured beside it, and with `--sizes` the times with so many tools (those in DIR, over and over).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a file, and not only as a module

from agents.embedding.reading import Read, Reader
from agents.embedding.weights import reader
from agents.selection.index import Index, best_places
from agents.selection.texts import Document, document, terms
from bench.selection_measures import means, measured
from deploy.weights import ensure_weights

DEPTH = 100
TIMED = 200

type Rank = Callable[[str], Sequence[int]]


def load(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


class Tools:
    """The tools in DIR, with all that an index is made from."""

    def __init__(self, tools: Sequence[Mapping[str, Any]], model: Reader | None) -> None:
        began = time.perf_counter()
        self.ids = [str(tool["id"]) for tool in tools]
        self.servers = [str(tool["server"]) for tool in tools]
        self.documents = [document(tool["server"], {**tool, "inputSchema": tool.get("input_schema")}) for tool in tools]
        self.model = model
        self.reads: list[Read | None] = list(model.read([of.text for of in self.documents])) if model else [None] * len(tools)
        self.index = Index(self.servers, self.documents, self.reads, model)
        self.seconds = time.perf_counter() - began

    def rank(self, request: str) -> Sequence[int]:
        return self.index.order(request, DEPTH).documents.tolist()

    def ranked_by_words(self, request: str) -> Sequence[int]:
        return best_places(self.index.lexical.scores(terms(request)), DEPTH).tolist()

    def ranked_by_meaning(self, request: str) -> Sequence[int]:
        assert self.model is not None
        assert self.index.meaning is not None
        return best_places(self.index.meaning.closeness(self.model.ask([request]).whole[None])[0], DEPTH).tolist()

    def methods(self) -> Iterator[tuple[str, Rank]]:
        if self.index.meaning is not None:
            yield "all-MiniLM-L6-v2 alone", self.ranked_by_meaning
        yield "BM25F alone", self.ranked_by_words
        yield "selection", self.rank


def with_so_many(of: Tools, size: int, queries: Sequence[str]) -> dict[str, float]:
    """Times with ``size`` tools: of a query, of making the index, and until one new tool is found."""

    def repeated[T](values: Sequence[T]) -> list[T]:
        return [values[place % len(values)] for place in range(size)]

    servers = [f"{server} {copy // len(of.ids)}" for copy, server in enumerate(repeated(of.servers))]
    documents, reads = repeated(of.documents), repeated(of.reads)
    began = time.perf_counter()
    index = Index(servers, documents, reads, of.model)
    seconds = time.perf_counter() - began
    times = []
    for query in queries:
        start, spent = time.perf_counter(), time.process_time()
        index.order(query, DEPTH)
        times.append((time.perf_counter() - start, time.process_time() - spent))
    wall, cpu = (sorted(1000 * value for value in column) for column in zip(*times, strict=True))
    middle, late = len(times) // 2, int(len(times) * 0.95)
    return {
        "tools": size,
        "p50_ms": wall[middle],
        "p95_ms": wall[late],
        "cpu_p50_ms": cpu[middle],
        "cpu_p95_ms": cpu[late],
        "index_s": seconds,
        "new_tool_s": new_tool_seconds(of, servers, documents, reads),
    }


def new_tool_seconds(of: Tools, servers: list[str], documents: list[Document], reads: list[Read | None]) -> float:
    """From its definition until it is the first one for a request that speaks of it."""
    began = time.perf_counter()
    new = document("lighthouse", {"name": "light_lamp", "description": "Lights the lamp of a lighthouse at dusk."})
    read = of.model.read([new.text])[0] if of.model else None
    index = Index([*servers, "lighthouse"], [*documents, new], [*reads, read], of.model)
    assert index.order("switch on the lighthouse lamp", 1).documents.tolist() == [len(documents)]
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--json", action="store_true", help="end with one line of JSON")
    options.add_argument("--sizes", type=int, nargs="*", default=[], help="measure the times with so many tools, too")
    chosen = options.parse_args()
    ensure_weights(Path(sys.prefix), Path(sys.executable))
    queries = load(chosen.data / "queries.jsonl")
    tools = Tools(load(chosen.data / "tools.jsonl"), reader())
    found: dict[str, Any] = {}
    for name, rank in tools.methods():
        found = measured(rank, tools.ids, queries)
        told = {**found["parts"], "mean of parts": found["mean_of_parts"], "all": found}
        sys.stdout.write(f"{name}: p50 {found['p50_ms']:.1f} ms, p95 {found['p95_ms']:.1f} ms, CPU {found['cpu_ms']:.1f} ms\n")
        for part, row in told.items():
            sys.stdout.write(
                f"  {part:16}" + "".join(f"{measure} {100 * row[measure]:5.1f}  " for measure in means([found["mean_of_parts"]])) + "\n"
            )
    found["index_s"] = tools.seconds
    found["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["sizes"] = [
        with_so_many(tools, size, [query["query"] for query in queries][:: max(1, len(queries) // TIMED)]) for size in chosen.sizes
    ]
    for row in found["sizes"]:
        sys.stdout.write("  ".join(f"{name} {value:.3g}" for name, value in row.items()) + "\n")
    sys.stdout.write(f"{len(tools.ids)} tools indexed in {tools.seconds:.1f} s, {found['rss_mb']:.0f} MB\n")
    if chosen.json:
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
