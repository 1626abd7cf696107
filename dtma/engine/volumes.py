"""Volumes of the engine."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections import defaultdict
from typing import Any

import aiodocker
from aiodocker.volumes import DockerVolume

from dtma.engine.containers import Containers
from dtma.engine.failures import EngineRefused, failures, to_the_end


class Volumes:
    """What DTMA does with volumes."""

    def __init__(self, docker: aiodocker.Docker, containers: Containers) -> None:
        self._docker = docker
        self._containers = containers
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def matching(self, label: str) -> set[str]:
        """The names of the volumes with this label."""
        with failures():
            found = await self._docker.volumes.list(filters={"label": label})
        return {item["Name"] for item in found.get("Volumes") or ()}

    async def create(self, body: dict[str, Any], image: str, user: int) -> None:
        """Create a volume, unless it exists, and make its root belong to ``user``, whatever the image has at its path.

        Nothing is run for that: the engine unpacks an archive into a container that mounts the volume and is never started.
        """
        async with self._making[body["Name"]]:  # two servers may want the same one
            await self.bind(body)
            mount = {"Type": "volume", "Source": body["Name"], "Target": "/own/volume"}
            config = {"Image": image, "Cmd": ["true"], "Labels": body["Labels"], "HostConfig": {"NetworkMode": "none", "Mounts": [mount]}}
            name = f"{body['Name']}.owner"
            await self._containers.remove(name)  # left behind by a DTMA that was killed right here
            container = await self._containers.create(name, config)
            try:
                with failures():
                    await self._docker.containers.container(container).put_archive("/", _owned("own/volume", user))
            finally:
                await to_the_end(self._containers.remove(container))

    async def bind(self, body: dict[str, Any]) -> None:
        """Create a volume whose content is there already."""
        with failures():
            await self._docker.volumes.create(body)

    async def remove(self, label: str) -> set[str]:
        """Remove the volumes with this label, and what is in them; returns their names."""
        names = await self.matching(label)
        for name in names:
            await self.discard(name)
        return names

    async def discard(self, name: str, *, unless_used: bool = False) -> bool:
        """Remove a volume, if it exists. With ``unless_used`` one that a container mounts is left, and the answer is False."""
        try:
            with failures():
                await DockerVolume(self._docker, name).delete()
        except EngineRefused as refusal:
            if refusal.status == 409 and unless_used:
                return False
            if refusal.status != 404:
                raise
        return True


def _owned(path: str, user: int) -> bytes:
    """A tar archive of one empty directory that belongs to ``user``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directory = tarfile.TarInfo(path)
        directory.type, directory.mode, directory.uid, directory.gid = tarfile.DIRTYPE, 0o755, user, user
        archive.addfile(directory)
    return buffer.getvalue()
