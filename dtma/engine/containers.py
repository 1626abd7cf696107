"""Containers of the engine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiodocker
import aiohttp
from aiodocker.stream import Stream
from yarl import URL

from dtma.engine.failures import LIMIT_SECONDS, EngineRefused, failures, to_the_end

STOP_SECONDS = 5
"""How long a server may take to end by itself before it is killed."""


@dataclass(frozen=True)
class Found:
    """A container as the engine lists it. ``running`` excludes one that is paused; ``image`` is what it was made from, by whatever name."""

    id: str
    name: str
    image: str
    created_at: datetime
    running: bool
    labels: dict[str, str]


@dataclass(frozen=True)
class Ending:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool


class Containers:
    """What DTMA does with containers."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def find(self, name: str) -> dict[str, Any] | None:
        """Everything about a container, or None."""
        try:
            with failures():
                return await self._docker.containers.container(name).show()
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def matching(self, *labels: str) -> list[dict[str, Any]]:
        """``Id`` and ``Labels`` of all containers with these labels, running or not."""
        with failures():
            found = await self._docker.containers.list(all=True, filters=json.dumps({"label": labels}))
        return [{"Id": container.id, "Labels": container["Labels"]} for container in found]

    async def with_label(self, label: str) -> list[Found]:
        """All containers with this label, running or not."""
        with failures():
            listed = await self._docker.containers.list(all=True, filters=json.dumps({"label": [label]}))
        return [
            Found(
                id=container["Id"],
                name=(container["Names"] or [""])[0].removeprefix("/"),
                image=container["Image"],
                created_at=datetime.fromtimestamp(container["Created"], UTC),
                running=container["State"] == "running",
                labels=container["Labels"] or {},
            )
            for container in listed
        ]

    async def create(self, name: str, body: dict[str, Any]) -> str:
        """Create a container; returns its id.

        It cannot be cancelled: the engine finishes what it began, and a container nobody knows of must not appear later.
        """
        return await to_the_end(self._create(name, body))

    async def _create(self, name: str, body: dict[str, Any]) -> str:
        with failures():
            return (await self._docker.containers.create(body, name=name)).id

    async def start(self, container: str) -> None:
        """Start a created container."""
        with failures():
            await self._docker.containers.container(container).start()

    async def remove(self, container: str) -> None:
        """Stop a container, gently at first, and remove it; one that is gone already is no error."""
        found = self._docker.containers.container(container)
        try:
            with failures():
                await found.stop(t=STOP_SECONDS, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))
                await found.delete(force=True, v=True, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))
        except EngineRefused as refusal:
            if refusal.status == 409 and "already in progress" in str(refusal):
                await self._removed(container)
            elif refusal.status != 404:
                raise

    async def _removed(self, container: str) -> None:
        """Return once a container is gone that somebody else is removing, such as a DTMA that was killed in the middle of it."""
        try:
            with failures():
                limit = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
                await self._docker.containers.container(container).wait(condition="removed", timeout=limit)
        except EngineRefused as refusal:
            if refusal.status != 404:
                raise

    async def stop(self, container: str) -> None:
        """Stop a container and keep it."""
        with failures():
            await self._docker.containers.container(container).stop(t=STOP_SECONDS, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))

    async def attach(self, container: str) -> Stream:
        """The open stream to a container's standard streams. Closing it leaves the container alone."""

        async def setup() -> tuple[URL, None, bool]:
            streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            return URL(f"containers/{container}/attach").with_query(streams), None, False

        # aiodocker's own attach first inspects the container, to learn of a terminal that ours never have, and keeps all that it read.
        stream = Stream(self._docker, setup)
        with failures():
            await stream.__aenter__()
        return stream

    async def ending(self, container: str, within: float) -> Ending | None:
        """How a container ended; None if it still runs after ``within`` seconds. Raises ``EngineRefused`` (404) if it is gone."""
        found = self._docker.containers.container(container)
        with failures():
            try:
                async with asyncio.timeout(within):
                    await found.wait()
            except TimeoutError:
                pass
            state = (await found.show())["State"]
        if state["Running"]:
            return None
        return Ending(int(state["ExitCode"]), bool(state["OOMKilled"]))

    async def printed(self, container: str, stream: str, since: datetime, at_most: int) -> list[tuple[datetime, str]]:
        """The last lines that a container printed on ``stdout`` or ``stderr`` since a time, out of the engine's own log."""
        with failures():
            pieces = await self._docker.containers.container(container).log(
                stdout=stream == "stdout",
                stderr=stream == "stderr",
                timestamps=True,
                since=f"{since.timestamp():.6f}",
                tail=str(at_most),
            )
        lines: list[tuple[datetime, str]] = []
        whole = True  # the engine cuts long lines to pieces
        for piece in pieces:
            stamp, _, text = piece.partition(" ")
            if whole:
                lines.append((_parse_time(stamp), text.rstrip("\r\n")))
            else:
                lines[-1] = (lines[-1][0], lines[-1][1] + text.rstrip("\r\n"))
            whole = text.endswith("\n")
        return lines


def _parse_time(stamp: str) -> datetime:
    """RFC 3339 with nanoseconds, as the engine writes it; the nanoseconds are cut to microseconds."""
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(seconds).replace(microsecond=int(fraction[:6].ljust(6, "0") or 0), tzinfo=UTC)
