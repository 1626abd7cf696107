"""C# servers out of NuGet: fetched and unpacked by DTMA itself, then put on the base that they need."""

from __future__ import annotations

import asyncio
import platform
import re
import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dtma.builds.nuget import Feed
from dtma.builds.nupkg import Elsewhere, NotATool, Tool, Version, tool_in, unpack
from dtma.builds.recipes import SERVERS, nuget_content, nuget_recipe, runtime_recipe
from dtma.builds.shared import Report
from dtma.builds.shelf import Shelf
from dtma.engine import Image
from dtma.errors import Failure
from dtma_wire import NugetPackage, Phase

RUNTIMES = {"x86_64": ("linux-x64", "linux", "unix"), "aarch64": ("linux-arm64", "linux", "unix")}.get(platform.machine(), ())
"""What .NET calls this machine."""
type Runtime = tuple[Image, Image]
"""Our base on the .NET runtime, and the runtime image below it."""
_NO_FEED = "This toolbox has no NuGet feed, so it cannot fetch {what}. Set nuget_feed in DTMA's config.json to the feed's service index."
_NO_RUNTIME = (
    "{what} needs the .NET runtime, which this toolbox has no image of. "
    "Set dotnet_runtime_image in DTMA's config.json to one that it can pull, by digest."
)


class Dotnet:
    """Images of NuGet packages."""

    def __init__(self, shelf: Shelf, folder: Path, *, runtime_image: str | None, feed: str | None) -> None:
        self._shelf = shelf
        self._folder = folder
        self._runtime_image = runtime_image
        self._feed = Feed(feed) if feed else None

    async def image(self, package: NugetPackage, report: Report) -> tuple[Image, tuple[Image, ...]]:
        """The image and what it stands on, the next first. Raises ``Failure`` or ``EngineUnavailable``."""
        ours = await self._shelf.base("dotnet", report)
        runtime = await self._runtime(ours, report)
        found = await self._find(package, ours, runtime)
        if found is None:
            key = f"{package.name} {package.version} from NuGet"
            await self._shelf.share(key, lambda tell: self._build(package, ours, runtime, tell), report)
            found = await self._find(package, ours, runtime)
        if found is None:
            raise Failure(f"The image of {package.name} was made, but the engine does not have it. Try again.", phase=Phase.ABSENT)
        return found

    async def _find(self, package: NugetPackage, ours: Image, runtime: Runtime | None) -> tuple[Image, tuple[Image, ...]] | None:
        """Which of our two bases a package needs shows only when it is here; an image on either is it."""
        for bases in filter(None, ((ours,), runtime)):
            image = await self._shelf.find(f"{SERVERS}:{nuget_content(package, bases[0])}")
            if image is not None:
                return image, bases
        return None

    async def _runtime(self, ours: Image, report: Report) -> Runtime | None:
        if self._runtime_image is None:
            return None
        runtime = await self._shelf.pulled(self._runtime_image, report)
        return await self._shelf.ensure(runtime_recipe(runtime, ours), report), runtime

    async def _build(self, package: NugetPackage, ours: Image, runtime: Runtime | None, report: Report) -> str:
        what = f"{package.name} {package.version}"
        if self._feed is None:
            raise Failure(_NO_FEED.format(what=what), phase=Phase.ABSENT)
        async with self._context() as context:
            tool = await self._fetch(self._feed, package, _version(runtime), context, report)
            if tool.needs_runtime and runtime is None:
                raise Failure(_NO_RUNTIME.format(what=what), phase=Phase.ABSENT)
            base = runtime[0] if tool.needs_runtime and runtime else ours
            return (await self._shelf.ensure(nuget_recipe(package, base, context), report)).reference

    async def _fetch(self, feed: Feed, package: NugetPackage, installed: Version | None, context: Path, report: Report) -> Tool:
        """Fetch the package, or the one that it names for this machine, and unpack it into ``context/mcp``."""
        file, name = context / "package.nupkg", package.name
        for _ in range(2):
            await feed.fetch(name, package.version, file, report)
            try:
                found = await asyncio.to_thread(_unpacked, file, installed, context / "mcp")
            except (NotATool, zipfile.BadZipFile) as problem:
                raise Failure(f"The package {name} {package.version} cannot be run: {problem}.", phase=Phase.ABSENT) from problem
            if isinstance(found, Tool):
                return found
            name = found.name
        raise Failure(f"The package {package.name} names another package for this machine, and that one does so again.", phase=Phase.ABSENT)

    @asynccontextmanager
    async def _context(self) -> AsyncIterator[Path]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        context = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield context
        finally:
            await asyncio.to_thread(shutil.rmtree, context, ignore_errors=True)


def _unpacked(file: Path, installed: Version | None, target: Path) -> Tool | Elsewhere:
    with zipfile.ZipFile(file) as archive:
        found = tool_in(archive, RUNTIMES, installed)
        if isinstance(found, Tool):
            unpack(archive, found, target)
    file.unlink()
    return found


def _version(runtime: Runtime | None) -> Version | None:
    """The version of .NET that a runtime image says it has, as Microsoft's images do."""
    match = re.match(r"(\d+)\.(\d+)", runtime[1].environment.get("DOTNET_VERSION", "")) if runtime else None
    return (int(match.group(1)), int(match.group(2))) if match else None
