"""The Docker client that builds: one with BuildKit, run without anybody's registry credentials."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dtma.errors import Failure
from dtma_wire import Phase

FIRST_WITHOUT_BUILDKIT = 23
"""From this version on the client needs the buildx plugin for BuildKit; before, it is built in."""
FALLBACK = ("/usr/bin",)
"""Where a distribution's own client is, should another one hide it on the PATH."""
MAX_LINE_BYTES = 1024 * 1024
GRACE_SECONDS = 5.0
_NOT_FOUND = (
    "No Docker client that can build images with BuildKit was found on this toolbox. "
    "Install docker-buildx, or Debian's docker.io, whose client has it."
)


class BuildClient:
    """Finds the client at first use."""

    def __init__(self, engine_url: str, home: Path) -> None:
        # An empty configuration: no credentials, contexts or proxies of whoever runs DTMA.
        self.configuration = home / "docker-client"
        self.configuration.mkdir(mode=0o700, exist_ok=True)
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "DOCKER_HOST": engine_url,
            "DOCKER_CONFIG": str(self.configuration),
            "DOCKER_BUILDKIT": "1",
        }
        self._path: str | None = None

    async def path(self) -> str:
        """The client's path; raises ``Failure`` where there is none that can."""
        if self._path is None:
            for candidate in _candidates():
                if await self._can_build(candidate):
                    self._path = candidate
                    return candidate
            raise Failure(_NOT_FOUND, phase=Phase.ABSENT)
        return self._path

    async def _can_build(self, candidate: str) -> bool:
        said, _ = await self._ask(candidate, "--version")
        version = re.search(r"version (\d+)\.", said)
        if version is None:
            return False
        if int(version.group(1)) < FIRST_WITHOUT_BUILDKIT:
            return True
        _, status = await self._ask(candidate, "buildx", "version")
        return status == 0

    async def _ask(self, *command: str) -> tuple[str, int]:
        async with running(command, self.environment) as process:
            assert process.stdout is not None
            said = await process.stdout.read()
            return said.decode(errors="replace"), await process.wait()


def _candidates() -> list[str]:
    places = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *FALLBACK]
    found = (shutil.which("docker", path=place) for place in places if place)
    return list(dict.fromkeys(path for path in found if path))


@asynccontextmanager
async def running(command: Sequence[str], environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child process, its output and errors in one pipe; it does not outlive the block, nor DTMA itself, even killed."""
    setpriv = shutil.which("setpriv")
    prefix = (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        start_new_session=True,
        limit=MAX_LINE_BYTES,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
            return
        except TimeoutError:
            continue
    await process.wait()
