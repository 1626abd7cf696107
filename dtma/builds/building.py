"""Running builds: at most two at once, each ended with whoever waits for it, and nothing half made left behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from dtma.builds.buildkit import BuildOutput
from dtma.builds.client import BuildClient, running
from dtma.builds.recipes import IMAGES, Recipe
from dtma.builds.shared import Report
from dtma.engine import Engine
from dtma.errors import EngineUnavailable, Failure
from dtma_wire import Phase

MAX_CONCURRENT_BUILDS = 2
MAX_CONCURRENT_QUESTIONS = 2
MAX_ANSWER_BYTES = 8 * 1024 * 1024
DEBIAN = "debian:bookworm-slim"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

type MakeRoom = Callable[[], Awaitable[None]]
"""Called before each build; it makes room on a disk that is nearly full."""


class Workshop:
    """Builds images with the engine's own command line. All methods raise ``Failure`` or ``EngineUnavailable``."""

    def __init__(self, engine: Engine, home: Path, make_room: MakeRoom) -> None:
        self._engine = engine
        self._client = BuildClient(engine.url, home)
        self._make_room = make_room
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_BUILDS)
        self._questions = asyncio.Semaphore(MAX_CONCURRENT_QUESTIONS)  # they are short and must not wait for what is long

    async def build(self, recipe: Recipe, report: Report) -> str:
        """Build one image; returns its name."""
        command = [await self._client.path(), "build", "--progress=plain", "--tag", recipe.tag, "--file", str(recipe.file)]
        for name, value in recipe.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, value in recipe.labels.items():
            command += ["--label", f"{name}={value}"]
        command += _ca_secret()
        written = self._client.configuration / f"{recipe.tag.partition(':')[2]}.id"
        command += ["--iidfile", str(written)]
        if self._slots.locked():
            report("waiting for another build to end", None)
        async with self._slots:
            await self._make_room()
            await self._run([*command, str(recipe.context)], recipe.what, report)
        await self._remove_loser(await asyncio.to_thread(_taken, written), recipe.tag)
        return recipe.tag

    async def answer(self, context: Path, arguments: dict[str, str], what: str) -> str:
        """What a build that makes no image leaves in ``/answer.json``."""
        async with self._questions:
            await self._make_room()
            with tempfile.TemporaryDirectory(dir=self._client.configuration) as folder:
                command = [await self._client.path(), "build", "--progress=plain", "--output", f"type=local,dest={folder}"]
                for name, value in arguments.items():
                    command += ["--build-arg", f"{name}={value}"]
                await self._run([*command, *_ca_secret(), str(context)], what, _ignore)
                return await asyncio.to_thread(_read, Path(folder) / "answer.json")

    async def make_debian(self, report: Report) -> str:
        """Make Debian's slim image, where it cannot be pulled."""
        report(f"making {DEBIAN} from this machine's Debian mirror", None)
        environment = self._client.environment | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")}
        path = await self._client.path()
        environment["PATH"] = os.pathsep.join((str(Path(path).parent), environment["PATH"], "/usr/sbin", "/sbin"))
        async with self._slots, running((str(IMAGES / "debian" / "make-base.sh"), DEBIAN), environment) as process:
            assert process.stdout is not None
            last = ""
            async for raw in process.stdout:
                last = raw.decode(errors="replace").strip() or last
                report(last, None)
            if await process.wait() != 0:
                raise Failure(f"The image {DEBIAN} can neither be pulled nor made on this toolbox: {last}", phase=Phase.ABSENT)
        return DEBIAN

    async def _run(self, command: list[str], what: str, report: Report) -> None:
        output = BuildOutput()
        report(f"building {what}", None)
        async with running(command, self._client.environment) as process:
            assert process.stdout is not None
            async for raw in process.stdout:
                if output.feed(raw.decode(errors="replace")):
                    report(f"building {what}, {output.detail}", output.fraction)
            if await process.wait() == 0:
                return
        if not await self._engine.answers():
            raise EngineUnavailable("it went away during a build")
        raise Failure(f"The image of {what} did not build. {output.reason}", phase=Phase.ABSENT)

    async def _remove_loser(self, built: str, tag: str) -> None:
        """Another DTMA on this engine may build the same at the same time. If it got the name, what was built here is of no use."""
        named = await self._engine.images.find(tag)
        if named is not None and named.id != built:
            await self._engine.images.remove(built)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(MAX_ANSWER_BYTES)


def _ignore(detail: str, fraction: float | None) -> None:
    """Nobody watches."""


def _taken(path: Path) -> str:
    """What is in a file, which is gone then."""
    content = path.read_text()
    path.unlink()
    return content


def _ca_secret() -> list[str]:
    bundle = Path(os.environ.get("SSL_CERT_FILE", CA_BUNDLE))
    return ["--secret", f"id=ca_bundle,src={bundle}"] if bundle.is_file() else []
