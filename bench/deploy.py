"""From the click to tools listed, against a bare ``docker run`` of the same image.

    .venv/bin/python -m bench.deploy [--rounds 8] [--json]

Per round A B B A: A = ``POST /api/v1/servers/`` until the deployment has stored the server's tools, B = ``docker run`` +
``initialize`` + ``tools/list``. The image is built before. Prints medians and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from datetime import UTC, datetime

from bench.bare import docker_run
from bench.measured import Api, fresh_agentopia, machine

ENTRIES = {"everything": ["stdio"], "time": ["--local-timezone", "UTC"]}
TARGET = 1.3


async def click(api: Api, entry: str) -> tuple[float, dict[str, object], int]:
    """Deploy; returns the seconds to ready, the server and how many tools it has. The server is deleted again.

    Ready is when the tools were stored, as the deployment itself tells: asking for it more often would slow it down.
    """
    began = datetime.now(UTC)
    server = await api.ask("POST", "servers/", {"entry": entry})
    server = await api.settled(server["id"])
    (deployment,) = (await api.ask("GET", f"servers/{server['id']}/deployments/"))["results"]
    took = (datetime.fromisoformat(deployment["finished_at"]) - began).total_seconds()
    if server["status"] != "running":
        raise SystemExit(f"{entry} did not come up: {server['reason']}")
    tools = (await api.ask("GET", f"servers/{server['id']}/tools/"))["count"]
    await api.gone(str(server["id"]))
    return took, server, tools


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    async with fresh_agentopia() as api:
        for entry, arguments in ENTRIES.items():
            _, server, tools = await click(api, entry)  # builds the image
            image = str(server["image"])
            clicks, bare = [], []
            for _ in range(rounds):
                first = (await click(api, entry))[0]
                before, names = await docker_run(image, arguments)
                after = (await docker_run(image, arguments))[0]
                last = (await click(api, entry))[0]
                assert len(names) == tools
                clicks.append((first + last) / 2)
                bare.append((before + after) / 2)
            figures[entry] = {
                "click_to_ready_s": statistics.median(clicks),
                "bare_s": statistics.median(bare),
                "ratio": statistics.median(a / b for a, b in zip(clicks, bare, strict=True)),
                "tools": tools,
                "rounds": rounds,
            }
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=8)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen.rounds))
    for entry, figure in figures.items():
        verdict = "within" if figure["ratio"] <= TARGET else "ABOVE"
        print(
            f"{entry:<12} click to ready {figure['click_to_ready_s']:.2f} s, bare {figure['bare_s']:.2f} s, "
            f"ratio {figure['ratio']:.2f} ({verdict} the target of {TARGET}), {figure['tools']:.0f} tools, {figure['rounds']:.0f} rounds"
        )
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
