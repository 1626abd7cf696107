"""Images of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiodocker

from dtma.engine.failures import EngineRefused, failures
from dtma.labels import LABEL_INIT


@dataclass(frozen=True)
class Image:
    """An image on the engine. ``has_init`` says that its entrypoint is an init already."""

    id: str
    reference: str
    has_init: bool
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """An image as the engine lists it: ``tags`` are ``name:tag``, ``digests`` are ``name@sha256:…``; both may be empty."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    labels: dict[str, str]


class Images:
    """What DTMA does with images."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def find(self, reference: str) -> Image | None:
        """An image that the engine has. Its ``reference`` is by digest where it came from a registry."""
        try:
            with failures():
                found = await self._docker.images.inspect(reference)
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        entrypoint = found["Config"].get("Entrypoint") or ()
        labels = found["Config"].get("Labels") or {}
        has_init = LABEL_INIT in labels and any(part.endswith("tini") for part in entrypoint)
        digests = found.get("RepoDigests") or ()
        own = [digest for digest in digests if repository(digest) == repository(reference)]
        environment = dict(entry.partition("=")[::2] for entry in found["Config"].get("Env") or ())
        return Image(found["Id"], (own or [*digests, reference])[0], has_init, environment)

    async def name_of(self, image_id: str) -> str:
        """A name of an image, or its id where it has none (any more)."""
        try:
            with failures():
                found = await self._docker.images.inspect(image_id)
        except EngineRefused as refusal:
            if refusal.status == 404:
                return image_id
            raise
        return str(next(iter([*(found.get("RepoDigests") or ()), *(found.get("RepoTags") or ())]), image_id))

    async def all(self) -> list[Stored]:
        """Every image with a name, and those that lost theirs to another."""
        with failures():
            found = await self._docker.images.list()
        return [
            Stored(
                image["Id"],
                tuple(tag for tag in image.get("RepoTags") or () if not tag.startswith("<none>")),
                tuple(digest for digest in image.get("RepoDigests") or () if not digest.startswith("<none>")),
                image.get("Labels") or {},
            )
            for image in found
        ]

    async def pull(self, reference: str) -> AsyncIterator[dict[str, Any]]:
        """Pull an image without any credentials; yields what the engine says of it (``POST /images/create``)."""
        with failures():
            async for event in self._docker.images.pull(reference, stream=True):
                yield event

    async def remove(self, reference: str) -> bool:
        """Take a name from an image, which goes with its last one; False if it is gone already or a container uses it."""
        try:
            with failures():
                await self._docker.images.delete(reference)
        except EngineRefused as refusal:
            if refusal.status in (404, 409):
                return False
            raise
        return True

    async def in_use(self) -> set[str]:
        """The ids of the images that a container has, whoever's it is, running or not."""
        with failures():
            return {container["ImageID"] for container in await self._docker.containers.list(all=True)}

    async def kept_in(self) -> Path:
        """The directory in which the engine keeps its data, on its own machine."""
        with failures():
            return Path((await self._docker.system.info())["DockerRootDir"])

    async def prune_build_cache(self, keep_bytes: int) -> int:
        """Forget what building left behind and nothing uses, the oldest first, down to so many bytes; returns the bytes freed."""
        with failures():
            # aiodocker knows the newer names of these parameters alone; engines of either age know this one.
            pruned = await self._docker._query_json(  # noqa: SLF001
                "build/prune", "POST", params={"all": "1", "keep-storage": str(keep_bytes)}
            )
        return int(pruned.get("SpaceReclaimed") or 0)


def repository(reference: str) -> str:
    """The name in a reference, without its tag and digest, as the engine shows it."""
    name = reference.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition(':')[0]}" if head else last.partition(":")[0]
