"""The servers that the agent holds: as many entries of the catalogue as this machine can run, those of the tasks first."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil

from bench.catalog_deploys import request, shipped
from bench.measured import Api
from mcp_registry.manifest import Manifest

SHARED = "work"
SPARE_GB = 2.5
"""Below so much available memory no further server is deployed."""
SETTINGS = {"sqlite": {"database": "work/app.db"}}


@dataclass
class Held:
    """What the agent holds: ids by name, how many tools each has, and why others are not there."""

    ids: dict[str, str] = field(default_factory=dict)
    tools: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        left = f"; not there: {', '.join(sorted(self.missing))}" if self.missing else ""
        return f"{len(self.ids)} servers with {sum(self.tools.values())} tools{left}"


def chosen(wanted: str, needed: Collection[str]) -> list[Manifest]:
    """``all`` entries, those of the ``tasks`` alone, or those with these slugs beside them; what tasks need comes first."""
    everything = {manifest.slug: manifest for manifest in shipped(())}
    if unknown := sorted(set(needed) - set(everything)):
        raise SystemExit(f"The tasks need servers that are not in the catalogue: {', '.join(unknown)}")
    others = (
        [] if wanted == "tasks" else list(everything) if wanted == "all" else [manifest.slug for manifest in shipped(wanted.split(","))]
    )
    return [everything[slug] for slug in dict.fromkeys([*sorted(needed), *others])]


def body_of(manifest: Manifest, needed: Collection[str]) -> dict[str, Any]:
    """What is asked of the REST API: the volume is shared by those servers that the tasks use."""
    body = request(manifest)
    body["config"] |= SETTINGS.get(manifest.slug, {})
    if manifest.slug in needed:
        body["shared_volumes"] = {volume.name: SHARED for volume in manifest.profile.volumes if volume.path == "/data"}
    return body


async def deploy(api: Api, manifests: Sequence[Manifest], needed: Collection[str], jobs: int) -> Held:
    """Deploy them, a few at a time. Raises RuntimeError where one that the tasks need does not come up."""
    held = Held()
    (toolbox,) = (await api.ask("GET", "toolboxes/"))["results"]
    waiting = list(reversed(manifests))

    async def work() -> None:
        while waiting:
            manifest = waiting.pop()
            if manifest.slug not in needed and psutil.virtual_memory().available < SPARE_GB * 2**30:
                held.missing[manifest.slug] = "no memory is left"
                continue
            # What entries promise to need at most is several times what they use, and more than this machine has: hence the force.
            asked = {**body_of(manifest, needed), "toolbox": toolbox["id"], "force": True, "name": manifest.slug}
            await _deployed(api, manifest.slug, asked, held)

    async with asyncio.TaskGroup() as workers:
        for _ in range(jobs):
            workers.create_task(work())
    if lost := {slug: held.missing[slug] for slug in needed if slug in held.missing}:
        raise RuntimeError(f"Servers of the tasks did not come up: {lost}")
    return held


async def _deployed(api: Api, slug: str, asked: dict[str, Any], held: Held) -> None:
    try:
        server = await api.ask("POST", "servers/", asked)
        server = await api.settled(server["id"])
    except (aiohttp.ClientResponseError, TimeoutError) as error:
        held.missing[slug] = str(error)
        return
    if server["status"] != "running":
        held.missing[slug] = server["reason"]
        await api.ask("DELETE", f"servers/{server['id']}/")
        return
    held.ids[slug] = server["id"]
    held.tools[slug] = (await api.ask("GET", f"servers/{server['id']}/tools/?limit=1"))["count"]


async def connect(api: Api, held: Held, **agent: Any) -> dict[str, Any]:
    """An agent that may call all of their tools, as they are."""
    made: dict[str, Any] = await api.ask("POST", "agents/", {"name": "Tasks", **agent})
    for server in held.ids.values():
        await api.ask("POST", f"agents/{made['id']}/grants/", {"server": server, "tools": "all", "approval": "never"})
    shown: dict[str, Any] = await api.ask("GET", f"agents/{made['id']}/")
    return shown
