"""The volume that the tasks' servers share: emptied, filled and copied back through a container that mounts it and does nothing else.

So neither root nor the engine's own folders are needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiodocker
from aiodocker.containers import DockerContainer

from bench.tasking.setting_up import set_up
from bench.tasking.suite import Task
from dtma.labels import LABEL_SERVER

USER = 10001  # every server's
MOUNT = "/data"


class Volume:
    """The volume, through its container."""

    def __init__(self, container: DockerContainer) -> None:
        self._container = container

    async def prepare(self, task: Task) -> None:
        """Empty it, and make what the task finds."""
        await self._empty()
        with tempfile.TemporaryDirectory(prefix="task-") as folder:
            await asyncio.to_thread(set_up, task, Path(folder))
            await self._container.put_archive(MOUNT, await asyncio.to_thread(_packed, Path(folder)))

    @contextlib.asynccontextmanager
    async def copied(self) -> AsyncIterator[Path]:
        """A copy of all that is in it, for as long as it is looked at."""
        with tempfile.TemporaryDirectory(prefix="task-") as folder:
            archive = await self._container.get_archive(MOUNT)
            with archive:
                await asyncio.to_thread(archive.extractall, folder, filter=_own)
            yield Path(folder) / Path(MOUNT).name

    async def _empty(self) -> None:
        command = ["find", MOUNT, "-mindepth", "1", "-delete"]
        execution = await self._container.exec(command, user=str(USER))
        async with execution.start() as stream:
            said = b""
            while message := await stream.read_out():
                said += message.data
        if (await execution.inspect())["ExitCode"]:
            raise RuntimeError(f"The volume could not be emptied: {said.decode(errors='replace')}")


def _packed(folder: Path) -> bytes:
    """A tar of the folder's content, which belongs to the servers' user."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name, filter=_owned)
    return packed.getvalue()


def _own(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """What is copied belongs to whoever looks at it: git reads nobody else's repositories."""
    return tarfile.tar_filter(member, folder).replace(uid=None, gid=None, uname=None, gname=None, deep=False)  # type: ignore[arg-type]


def _owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = USER
    member.uname = member.gname = ""
    return member


@contextlib.asynccontextmanager
async def mounted(engine: aiodocker.Docker, server_id: str) -> AsyncIterator[Volume]:
    """The volume of this server, which runs, for as long as it is needed."""
    (server,) = await engine.containers.list(filters={"label": [f"{LABEL_SERVER}={server_id}"]})
    shown: dict[str, Any] = await server.show()
    name = next(mount["Name"] for mount in shown["Mounts"] if mount["Destination"] == MOUNT)
    config = {
        "Image": shown["Image"],
        "Entrypoint": ["sleep", "infinity"],
        "User": f"{USER}:{USER}",
        "NetworkDisabled": True,
        "HostConfig": {"Binds": [f"{name}:{MOUNT}"], "Init": True, "AutoRemove": True},
    }
    container = await engine.containers.run(config)
    try:
        yield Volume(container)
    finally:
        await container.delete(force=True)
