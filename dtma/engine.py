"""The container engine, thinly over aiodocker: what DTMA needs of it, and its failures as DTMA's own."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiodocker
import aiohttp
from aiodocker.networks import DockerNetwork
from aiodocker.stream import Stream
from aiodocker.volumes import DockerVolume

from dtma.container_spec import LABEL_INIT, LABEL_TOOLBOX, Image
from dtma.errors import EngineUnavailable

LIMIT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
PROBE_SECONDS = 3.0
RETRY_SECONDS = 0.5
STOP_SECONDS = 5
"""How long a server may take to end by itself before it is killed."""


class EngineRefused(Exception):
    """The engine answers, and says no. ``status`` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says of itself. ``problem`` is a sentence where it must not be used."""

    version: str
    isolation: tuple[str, ...]
    problem: str


@dataclass(frozen=True)
class Ending:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool


class Engine:
    """One connection pool to one engine. Every method raises ``EngineUnavailable`` or ``EngineRefused``."""

    def __init__(self, url: str) -> None:
        self.url = url
        connector: aiohttp.BaseConnector
        # Every attach stream holds a connection for as long as its server lives, so the pool must have no limit.
        if url.startswith("unix://"):
            connector = aiohttp.UnixConnector(path=url.removeprefix("unix://"), limit=0)
            url = "unix://localhost"  # aiodocker builds addresses from it; the connector knows the path
        else:
            connector = aiohttp.TCPConnector(limit=0)
        self._connector = connector
        limits = aiohttp.ClientTimeout(total=LIMIT_SECONDS, sock_connect=CONNECT_SECONDS)
        self._docker = aiodocker.Docker(url=url, connector=connector, timeout=limits)

    async def close(self) -> None:
        """Close all connections; containers are not touched."""
        await self._docker.close()
        await self._connector.close()

    # --- the engine itself ---

    async def facts(self) -> EngineFacts:
        """Its version and the isolation that it can give."""
        with _failures():
            async with asyncio.timeout(PROBE_SECONDS):
                version = await self._docker.version()
                info = await self._docker.system.info()
        options = {part.removeprefix("name=").split(",")[0] for part in info.get("SecurityOptions") or ()}
        runtimes = {"gvisor"} if "runsc" in (info.get("Runtimes") or {}) else set()
        problem = ""
        if "rootless" in options:
            problem = "Rootless Docker does not enforce memory and process limits, so no server is started on it. Use a rootful engine."
        return EngineFacts(version["Version"], tuple(sorted(options | runtimes)), problem)

    async def answers(self) -> bool:
        """Whether it can be reached right now."""
        try:
            with _failures():
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._docker.version()
        except (EngineUnavailable, EngineRefused):
            return False
        return True

    async def goes_away(self, within: float) -> bool:
        """Whether it stops answering within so many seconds."""
        end = asyncio.get_running_loop().time() + within
        while await self.answers():
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(RETRY_SECONDS / 5)
        return True

    async def wait_until_available(self) -> None:
        """Return once it answers."""
        while True:
            if await self.answers():
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def events(self, toolbox: str) -> AsyncIterator[dict[str, Any]]:
        """Events of this toolbox's containers, until the connection ends; then raises ``EngineUnavailable``."""
        filters = json.dumps({"type": ["container"], "event": ["oom"], "label": [f"{LABEL_TOOLBOX}={toolbox}"]})
        channel = self._docker.events.subscribe(create_task=False)
        listening = asyncio.create_task(self._docker.events.run(filters=filters))
        try:
            while (event := await channel.get()) is not None:
                yield event
            with _failures():
                await listening
        except ValueError as error:  # cut off in the middle of an event
            raise EngineUnavailable("the stream of its events broke off") from error
        finally:
            listening.cancel()
        raise EngineUnavailable("the stream of its events ended")

    # --- images ---

    async def image(self, reference: str) -> Image | None:
        """An image that the engine has."""
        try:
            with _failures():
                found = await self._docker.images.inspect(reference)
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        entrypoint = found["Config"].get("Entrypoint") or ()
        labels = found["Config"].get("Labels") or {}
        has_init = LABEL_INIT in labels and any(part.endswith("tini") for part in entrypoint)
        digests = found.get("RepoDigests") or ()
        return Image(found["Id"], digests[0] if digests else reference, has_init)

    async def pull(self, reference: str) -> AsyncIterator[str]:
        """Pull an image without any credentials; yields what the engine says of it."""
        with _failures():
            async for event in self._docker.images.pull(reference, stream=True):
                yield " ".join(filter(None, (event.get("status"), event.get("progress"))))

    # --- containers ---

    async def container(self, name: str) -> dict[str, Any] | None:
        """Everything about a container, or None."""
        try:
            with _failures():
                return await self._docker.containers.container(name).show()
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        """``Id`` and ``Labels`` of all containers with these labels, running or not."""
        with _failures():
            found = await self._docker.containers.list(all=True, filters=json.dumps({"label": labels}))
        return [{"Id": container.id, "Labels": container["Labels"]} for container in found]

    async def create(self, name: str, body: dict[str, Any]) -> str:
        """Create a container; returns its id.

        It cannot be cancelled: the engine finishes what it began, and a container nobody knows of must not appear later.
        """
        return await _to_the_end(self._create(name, body))

    async def _create(self, name: str, body: dict[str, Any]) -> str:
        with _failures():
            return (await self._docker.containers.create(body, name=name)).id

    async def start(self, container: str) -> None:
        """Start a created container."""
        with _failures():
            await self._docker.containers.container(container).start()

    async def remove(self, container: str) -> None:
        """Stop a container, gently at first, and remove it; one that is gone already is no error."""
        found = self._docker.containers.container(container)
        try:
            with _failures():
                await found.stop(t=STOP_SECONDS, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))
                await found.delete(force=True, v=True, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))
        except EngineRefused as refusal:
            if refusal.status != 404:
                raise

    async def stop(self, container: str) -> None:
        """Stop a container and keep it."""
        with _failures():
            await self._docker.containers.container(container).stop(t=STOP_SECONDS, timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))

    async def attach(self, container: str) -> Stream:
        """The open stream to a container's standard streams. Closing it leaves the container alone."""
        stream = self._docker.containers.container(container).attach(stdin=True, stdout=True, stderr=True)
        with _failures():
            await stream.__aenter__()
        return stream

    async def ending(self, container: str, within: float) -> Ending | None:
        """How a container ended; None if it still runs after ``within`` seconds. Raises ``EngineRefused`` (404) if it is gone."""
        found = self._docker.containers.container(container)
        with _failures():
            try:
                async with asyncio.timeout(within):
                    await found.wait()
            except TimeoutError:
                pass
            state = (await found.show())["State"]
        if state["Running"]:
            return None
        return Ending(int(state["ExitCode"]), bool(state["OOMKilled"]))

    async def printed(self, container: str, stream: str, since: datetime, until: datetime, at_most: int) -> list[tuple[datetime, str]]:
        """What a container printed on ``stdout`` or ``stderr`` between two times, out of the engine's own log."""
        with _failures():
            pieces = await self._docker.containers.container(container).log(
                stdout=stream == "stdout",
                stderr=stream == "stderr",
                timestamps=True,
                since=f"{since.timestamp():.6f}",
                until=f"{until.timestamp():.6f}",
                tail=str(at_most),
            )
        lines = []
        for piece in pieces:
            stamp, _, text = piece.partition(" ")
            lines.append((_parse_time(stamp), text.removesuffix("\n")))
        return lines

    # --- networks and volumes ---

    async def ensure_network(self, body: dict[str, Any]) -> None:
        """Create a network unless there is one of its name with the same reach."""
        with _failures():
            found = [item for item in await self._docker.networks.list(filters={"name": body["Name"]}) if item["Name"] == body["Name"]]
            if found and found[0]["Internal"] == body["Internal"]:
                return
            if found:
                await self._network(found[0]["Id"]).delete()
            await self._docker.networks.create(body)

    async def remove_networks(self, label: str) -> None:
        """Remove the networks with this label."""
        with _failures():
            for item in await self._docker.networks.list(filters={"label": label}):
                await self._network(item["Id"]).delete()

    async def volumes(self, label: str) -> set[str]:
        """The names of the volumes with this label."""
        with _failures():
            found = await self._docker.volumes.list(filters={"label": label})
        return {item["Name"] for item in found.get("Volumes") or ()}

    async def create_volume(self, body: dict[str, Any], image: str, user: int) -> None:
        """Create a volume, unless it exists, and make its root belong to ``user``, whatever the image has at its path.

        Nothing is run for that: the engine unpacks an archive into a container that mounts the volume and is never started.
        """
        with _failures():
            await self._docker.volumes.create(body)
            mount = {"Type": "volume", "Source": body["Name"], "Target": "/own/volume"}
            config = {"Image": image, "Cmd": ["true"], "Labels": body["Labels"], "HostConfig": {"NetworkMode": "none", "Mounts": [mount]}}
        name = f"{body['Name']}.owner"
        await self.remove(name)  # left behind by a DTMA that was killed right here
        container: str = await _to_the_end(self._create(name, config))
        try:
            with _failures():
                await self._docker.containers.container(container).put_archive("/", _owned("own/volume", user))
        finally:
            await _to_the_end(self.remove(container))

    async def remove_volumes(self, label: str) -> None:
        """Remove the volumes with this label, and what is in them."""
        with _failures():
            found = await self._docker.volumes.list(filters={"label": label})
            for item in found.get("Volumes") or ():
                volume = DockerVolume(self._docker, item["Name"])
                await volume.delete()

    def _network(self, network_id: str) -> DockerNetwork:
        return DockerNetwork(self._docker, network_id)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except aiodocker.DockerError as error:
        if error.status == 900:
            raise EngineUnavailable("it cannot be reached") from error
        raise EngineRefused(error.status, error.message.strip()) from error
    except TimeoutError as error:
        raise EngineUnavailable("it took too long") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineUnavailable(str(error) or type(error).__name__) from error


async def _to_the_end[Result](coroutine: Any) -> Result:
    task: asyncio.Task[Result] = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _owned(path: str, user: int) -> bytes:
    """A tar archive of one empty directory that belongs to ``user``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directory = tarfile.TarInfo(path)
        directory.type, directory.mode, directory.uid, directory.gid = tarfile.DIRTYPE, 0o755, user, user
        archive.addfile(directory)
    return buffer.getvalue()


def _parse_time(stamp: str) -> datetime:
    """RFC 3339 with nanoseconds, as the engine writes it; the nanoseconds are cut to microseconds."""
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(seconds).replace(microsecond=int(fraction[:6].ljust(6, "0") or 0), tzinfo=UTC)
