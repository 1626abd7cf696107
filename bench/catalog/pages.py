"""Fills the catalogue and asks for its pages; prints the figures as JSON. Runs in the environment that `bench.catalog` makes."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django.http import QueryDict  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from bench.catalog.entries import make_entries  # noqa: E402
from bench.catalog.queries import mix  # noqa: E402
from bench.dtma.figures import Figure  # noqa: E402
from mcp_registry.browsing.query import CatalogQuery  # noqa: E402
from mcp_registry.browsing.results import catalogue  # noqa: E402
from mcp_registry.models import CatalogEntry  # noqa: E402
from mcp_registry.services.catalog import load_shipped_catalog  # noqa: E402
from toolboxes.models import Toolbox  # noqa: E402

TARGET_MS = 50
NAMES = {
    "selector": "selector alone",
    "fragment": "what a search replaces",
    "page": "whole page",
    "processor": "whole page, time on processors",
}
PART = {"HX-Request": "true", "HX-Target": "results"}


def somebody() -> User:
    """A user with a toolbox that has reported."""
    user = User.objects.create_user("bench@example.org")
    info = {"dtma_version": "0.1.0", "memory_bytes": 2**33, "disk_free_bytes": 2**36, "cpus": 4, "engine_problem": ""}
    now = timezone.now()
    Toolbox.objects.create(
        owner=user,
        name="box",
        provider=Toolbox.Provider.OWN_SERVER,
        url="https://127.0.0.1:9",
        enrolled_at=now,
        last_seen_at=now,
        info=info,
    )
    return user


def timed(work: Any) -> tuple[float, float]:
    """Milliseconds by the clock, and of them those on a processor: this process's and its PostgreSQL connection's."""
    clock, processor = time.perf_counter(), _processor()
    work()
    return 1000 * (time.perf_counter() - clock), 1000 * (_processor() - processor)


def _processor() -> float:
    connection.ensure_connection()
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(backend.split()[0]) / 1e9


def measure(user: User, rounds: int) -> dict[str, dict[str, list[float]]]:
    """By kind of query: what the selector takes, the fragment that replaces the results, and the whole page; in a mixed order."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    asked = [(kind, query) for kind, queries in mix().items() for query in queries]
    taken: dict[str, dict[str, list[float]]] = {kind: {"selector": [], "fragment": [], "page": [], "processor": []} for kind in mix()}

    def page(query: str, headers: dict[str, str]) -> None:
        answer = client.get(f"/catalog/?{query}", headers=headers)
        assert answer.status_code == 200

    for number in range(rounds + 1):
        random.Random(number).shuffle(asked)
        for kind, query in asked:
            times = {
                "selector": timed(lambda query=query: catalogue(user, CatalogQuery.parse(QueryDict(query)))),
                "fragment": timed(lambda query=query: page(query, PART)),
                "page": timed(lambda query=query: page(query, {})),
            }
            if number:  # the first round warms up
                for name, (milliseconds, _) in times.items():
                    taken[kind][name].append(milliseconds)
                taken[kind]["processor"].append(times["page"][1])
    return taken


def figures(taken: dict[str, dict[str, list[float]]], entries: int) -> list[Figure]:
    """The table: all kinds together, then what each takes."""
    table = []
    for name, what in NAMES.items():
        every = [milliseconds for kind in taken.values() for milliseconds in kind[name]]
        cuts = statistics.quantiles(every, n=100)
        work = f"{len(every)} requests, {entries:,} entries"
        table.append(Figure(f"{what}, p50", cuts[49], "ms", work=work))
        table.append(Figure(f"{what}, p95", cuts[94], "ms", TARGET_MS if name != "processor" else None))
        table.append(Figure(f"{what}, p99", cuts[98], "ms"))
    for kind, names in taken.items():
        cuts = statistics.quantiles(names["page"], n=100)
        table.append(Figure(f"whole page, {kind}, p95", cuts[94], "ms", work=f"p50 {cuts[49]:.0f} ms, {len(names['page'])} requests"))
    return table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--entries", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    user = somebody()
    shipped = load_shipped_catalog()
    make_entries(max(0, chosen.entries - shipped), user)
    table = figures(measure(user, chosen.rounds), CatalogEntry.objects.count())
    print(json.dumps([asdict(figure) for figure in table]))


if __name__ == "__main__":
    main()
