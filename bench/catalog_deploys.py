"""Every entry that ships, put on a real toolbox by one click each, and taken away again.

    .venv/bin/python -m bench.catalog_deploys [--only slug,slug] [--jobs 2] [--keep-images]

A fresh Agentopia is started; each entry is deployed through the REST API like by any user, its image built where it is not there yet.
What an entry requires is filled with what it gives as an example (``placeholder``), else with a stand-in of the setting's type:
nobody's real key. One line per entry: seconds from the click to the stored tools, how many, the most memory that its container used.
Everything goes at the end, also after Ctrl-C: servers with their volumes, and the images that this run has built.
Exit code 1 if an entry did not come up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import aiodocker
import aiohttp

from bench.measured import Api, fresh_agentopia, machine
from dtma.labels import LABEL_SERVER
from mcp_registry.manifest import Manifest, Setting, parse_manifest, settings_of
from tests.dtma.agent import ENGINE_URL

SHIPPED = Path(__file__).resolve().parent.parent / "mcp_registry" / "catalogue"
SECRET = "placeholder-0123456789abcdef"
STAND_INS = {"string": "example", "number": "1", "boolean": "true", "filepath": "/data/example"}
GOING_SECONDS = 120
LOG_LINES = 6


@dataclass(frozen=True)
class Outcome:
    """How an entry's deployment ended: without a ``reason`` it came up."""

    slug: str
    seconds: float = 0
    tools: int = 0
    memory_mb: float = 0
    promised_mb: int = 0
    given: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.slug:<28} FAILED  {self.reason}"
        memory = f"{self.memory_mb:4.0f} of {self.promised_mb} MB"
        return f"{self.slug:<28} {self.seconds:6.1f} s  {self.tools:4} tools  {memory:<15}" + (
            f"  with {', '.join(self.given)}" * bool(self.given)
        )


def shipped(only: Iterable[str]) -> list[Manifest]:
    """The entries that ship, or those of them with these slugs; exits for a slug that there is not."""
    manifests = {
        manifest.slug: manifest for manifest in (parse_manifest(json.loads(path.read_text())) for path in sorted(SHIPPED.glob("*.json")))
    }
    if unknown := sorted(set(only) - set(manifests)):
        raise SystemExit(f"No such entry ships: {', '.join(unknown)}")
    return [manifest for slug, manifest in manifests.items() if not only or slug in only]


def example(setting: Setting) -> str:
    """A value of the right form."""
    stand_in = SECRET if setting.secret else STAND_INS[setting.format]
    return setting.placeholder or (setting.choices[0] if setting.choices else stand_in)


def request(manifest: Manifest) -> dict[str, Any]:
    """The body of ``POST /api/v1/servers/`` with nothing but what is required."""
    required = [setting for setting in settings_of(manifest.packages[0]) if setting.required]
    return {
        "entry": manifest.name,
        "config": {setting.key: example(setting) for setting in required if not setting.secret},
        "secrets": {setting.key: example(setting) for setting in required if setting.secret},
    }


async def memory_of(engine: aiodocker.Docker, server_id: str) -> float:
    """The most that a server's container has used so far, in MB; tmpfs and file cache included."""
    containers = await engine.containers.list(filters={"label": [f"{LABEL_SERVER}={server_id}"]})
    if not containers:
        return 0
    (stats,) = await containers[0].stats(stream=False)
    return float(stats["memory_stats"].get("max_usage", stats["memory_stats"].get("usage", 0))) / 1024**2


async def click(api: Api, engine: aiodocker.Docker, manifest: Manifest) -> Outcome:
    """Deploy an entry, see how that ends, delete it."""
    body = request(manifest)
    try:
        server = await api.ask("POST", "servers/", body)
    except aiohttp.ClientResponseError as error:
        return Outcome(manifest.slug, reason=f"refused with {error.status}: {error.message}")
    try:
        server = await api.settled(server["id"])
        if server["status"] != "running":
            return Outcome(
                manifest.slug, reason="\n    | ".join([server["reason"], *(line["text"] for line in server["last_log"][-LOG_LINES:])])
            )
        (deployment,) = (await api.ask("GET", f"servers/{server['id']}/deployments/"))["results"]
        took = datetime.fromisoformat(deployment["finished_at"]) - datetime.fromisoformat(deployment["created_at"])
        tools = (await api.ask("GET", f"servers/{server['id']}/tools/"))["count"]
        return Outcome(
            manifest.slug,
            took.total_seconds(),
            tools,
            await memory_of(engine, server["id"]),
            manifest.profile.memory_mb,
            (*body["config"], *body["secrets"]),
            reason="" if tools else "it came up and offers no tools",
        )
    except TimeoutError:
        return Outcome(manifest.slug, reason="neither up nor failed within the time allowed")
    finally:
        await asyncio.shield(gone(api, server["id"]))


async def gone(api: Api, server_id: str) -> None:
    """Delete a server and what it kept, however far it had come."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOING_SECONDS):
            await api.gone(server_id)


@contextlib.asynccontextmanager
async def images_left_as_found(engine: aiodocker.Docker, *, keep: bool) -> AsyncIterator[None]:
    """Remove the server images that came meanwhile and that no container uses."""
    before = {image["Id"] for image in await engine.images.list()}
    try:
        yield
    finally:
        for image in () if keep else await engine.images.list():
            names = [name for name in image["RepoTags"] or () if name.startswith("agentopia/server:")]
            if image["Id"] not in before and names:
                with contextlib.suppress(aiodocker.DockerError):  # in use by somebody else
                    await engine.images.delete(names[0])


async def measure(manifests: list[Manifest], jobs: int, *, keep_images: bool) -> list[Outcome]:
    """Deploy them all, a few at a time; prints each as it ends."""
    outcomes: list[Outcome] = []
    waiting = list(reversed(manifests))
    engine = aiodocker.Docker(ENGINE_URL)
    try:
        async with fresh_agentopia() as api, images_left_as_found(engine, keep=keep_images):

            async def work() -> None:
                while waiting:
                    outcomes.append(await click(api, engine, waiting.pop()))
                    print(outcomes[-1], flush=True)

            async with asyncio.TaskGroup() as workers:
                for _ in range(jobs):
                    workers.create_task(work())
    finally:
        await engine.close()
    return outcomes


async def run(manifests: list[Manifest], jobs: int, *, keep_images: bool) -> int:
    """Measure and sum up; SIGTERM ends it as tidily as Ctrl-C does. Returns the exit code."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    began = perf_counter()
    outcomes = await measure(manifests, jobs, keep_images=keep_images)
    failures = sorted((outcome for outcome in outcomes if outcome.reason), key=lambda outcome: outcome.slug)
    minutes = (perf_counter() - began) / 60
    print(
        f"\n{len(outcomes) - len(failures)} of {len(outcomes)} came up with one click: {minutes:.1f} minutes, {jobs} at a time", flush=True
    )
    for outcome in failures:
        print(outcome)
    return 1 if failures else 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", type=lambda text: text.split(","), default=[], help="slugs, separated by commas")
    options.add_argument("--jobs", type=int, default=2, help="how many are deployed at a time")
    options.add_argument("--keep-images", action="store_true", help="leave the images for the next run")
    chosen = options.parse_args()
    print(machine(), flush=True)
    try:
        sys.exit(asyncio.run(run(shipped(chosen.only), chosen.jobs, keep_images=chosen.keep_images)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("\nStopped; what it had started is removed.")


if __name__ == "__main__":
    main()
