"""Volumes of the engine."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import aiodocker
from aiodocker.volumes import DockerVolume

from dtma.engine.containers import Containers
from dtma.engine.failures import failures, to_the_end


class Volumes:
    """What DTMA does with volumes."""

    def __init__(self, docker: aiodocker.Docker, containers: Containers) -> None:
        self._docker = docker
        self._containers = containers

    async def matching(self, label: str) -> set[str]:
        """The names of the volumes with this label."""
        with failures():
            found = await self._docker.volumes.list(filters={"label": label})
        return {item["Name"] for item in found.get("Volumes") or ()}

    async def create(self, body: dict[str, Any], image: str, user: int) -> None:
        """Create a volume, unless it exists, and make its root belong to ``user``, whatever the image has at its path.

        Nothing is run for that: the engine unpacks an archive into a container that mounts the volume and is never started.
        """
        with failures():
            await self._docker.volumes.create(body)
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

    async def remove(self, label: str) -> None:
        """Remove the volumes with this label, and what is in them."""
        with failures():
            found = await self._docker.volumes.list(filters={"label": label})
            for item in found.get("Volumes") or ():
                volume = DockerVolume(self._docker, item["Name"])
                await volume.delete()


def _owned(path: str, user: int) -> bytes:
    """A tar archive of one empty directory that belongs to ``user``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directory = tarfile.TarInfo(path)
        directory.type, directory.mode, directory.uid, directory.gid = tarfile.DIRTYPE, 0o755, user, user
        archive.addfile(directory)
    return buffer.getvalue()
