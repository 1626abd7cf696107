"""Images for servers: pinned packages on our bases, built once per content, or images that exist already."""

from __future__ import annotations

import functools
import importlib
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dtma.builds.building import MakeRoom, Workshop
from dtma.builds.ledger import Ledger, Use
from dtma.builds.lookup import Lookup
from dtma.builds.recipes import kitchen_of, server_recipe
from dtma.builds.shared import Report
from dtma.builds.shelf import Shelf
from dtma.engine import Engine, EngineRefused, Image
from dtma.errors import EngineUnavailable, Failure
from dtma_wire import NpmPackage, NugetPackage, OciImage, Phase, PypiPackage

if TYPE_CHECKING:
    from dtma.builds.dotnet import Dotnet

logger = logging.getLogger(__name__)

FAMILIES = ("dotnet", "node", "python")

type Source = NpmPackage | PypiPackage | NugetPackage | OciImage


async def _no_need() -> None:
    """Nobody makes room."""


class Builder:
    """Concurrent requests for one image share one build or pull; at most two builds run at once."""

    def __init__(
        self,
        engine: Engine,
        home: Path,
        ledger: Ledger | None = None,
        make_room: MakeRoom = _no_need,
        *,
        dotnet_runtime_image: str | None = None,
        nuget_feed: str | None = None,
    ) -> None:
        self._ledger = ledger or Ledger(home)
        workshop = Workshop(engine, home, make_room)
        self._shelf = Shelf(engine, self._ledger, workshop)
        self.packages = Lookup(self._shelf, workshop)
        self._dotnet: Dotnet | None = None
        self._nuget = functools.partial(_dotnet, self._shelf, home / "nuget", runtime_image=dotnet_runtime_image, feed=nuget_feed)
        shutil.rmtree(home / "nuget", ignore_errors=True)  # what a DTMA that was killed left behind

    async def image(self, source: Source, report: Report, *, server: str, generation: int) -> Image:
        """The image of a server's source; raises ``Failure`` with what to do about it, or ``EngineUnavailable``.

        It is remembered as this server's, so that it stays, and an image that was named by a tag stays what it is.
        """
        if isinstance(source, OciImage):
            return await self._named(source.reference, server, generation, report)
        if isinstance(source, NugetPackage):
            self._dotnet = self._dotnet or self._nuget()
            image, bases = await self._dotnet.image(source, report)
        else:
            image, bases = await self._built(source, report)
        self._ledger.use(server, Use(image=image.id, generation=generation), *(base.id for base in bases))
        return image

    async def base(self, family: str, report: Report) -> Image:
        """The base image of ``node``, ``python`` or ``dotnet`` servers."""
        return await self._shelf.base(family, report)

    async def prepare(self) -> None:
        """Have the bases ready before the first deployment asks for them. A failure is logged; the deployment tries again."""
        for family in FAMILIES:
            try:
                await self.base(family, _ignore)
            except (Failure, EngineUnavailable, EngineRefused) as error:
                logger.warning("the base image for %s could not be prepared yet: %s", family, error)

    async def _built(self, package: NpmPackage | PypiPackage, report: Report) -> tuple[Image, tuple[Image, ...]]:
        kitchen = kitchen_of(package)
        fetch = await self.base(kitchen.fetch, report) if kitchen.fetch else None
        base = await self.base(kitchen.base, report)
        return await self._shelf.ensure(server_recipe(package, kitchen, base, fetch), report), (base,)

    async def _named(self, reference: str, server: str, generation: int, report: Report) -> Image:
        pinned = self._ledger.pinned(server, reference, generation)
        if pinned is not None and "@" not in pinned and await self._shelf.find(pinned) is None:
            raise Failure(
                f"The image that {reference} meant when this server was deployed is no longer on this toolbox, and no registry has it. "
                "Deploy the server again to use what the name means now.",
                phase=Phase.ABSENT,
            )
        image = await self._shelf.pulled(pinned or reference, report)
        _, at, digest = reference.partition("@")
        if at and not image.reference.endswith(digest):
            raise Failure(f"The image {reference} is not on this toolbox: the engine has {image.reference} instead.", phase=Phase.ABSENT)
        resolved = image.reference if "@" in image.reference else image.id
        self._ledger.use(server, Use(image=image.id, reference=reference, pinned=pinned or resolved, generation=generation))
        return image


def _dotnet(shelf: Shelf, folder: Path, *, runtime_image: str | None, feed: str | None) -> Dotnet:
    """Loaded when first needed: reading zips and XML takes 0.8 MB, and most toolboxes never have a package of NuGet."""
    module = importlib.import_module("dtma.builds.dotnet")
    made: Dotnet = module.Dotnet(shelf, folder, runtime_image=runtime_image, feed=feed)
    return made


def _ignore(detail: str, fraction: float | None) -> None:
    """Nobody listens to what is prepared in the background."""
