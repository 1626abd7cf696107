"""The images that this engine has, and how the others come to be there: built, pulled, or made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dtma.builds.building import DEBIAN, Workshop
from dtma.builds.ledger import Ledger
from dtma.builds.pulling import PullOutput
from dtma.builds.recipes import Recipe, base_recipe
from dtma.builds.shared import Report, SharedWork
from dtma.engine import Engine, EngineRefused, Image
from dtma.engine.images import repository
from dtma.errors import Failure
from dtma_wire import Phase

logger = logging.getLogger(__name__)

PULL_SECONDS = 1800.0
DEBIAN_PULL_SECONDS = 60.0
"""A registry that does not answer must not hold up what the machine can make itself."""


class Shelf:
    """Whoever asks for an image gets it, and work that several ask for at once is done once.

    All methods raise ``Failure`` with what to do about it, or ``EngineUnavailable``.
    """

    def __init__(self, engine: Engine, ledger: Ledger, workshop: Workshop) -> None:
        self._engine = engine
        self._ledger = ledger
        self._workshop = workshop
        self._work = SharedWork()

    async def find(self, name: str) -> Image | None:
        """An image that the engine has. It counts as used now, so that it is not collected before it is."""
        async with self._ledger.gate:
            found = await self._engine.images.find(name)
            if found is not None:
                self._ledger.touch(found.id)
            return found

    async def make(self, name: str, work: Callable[[Report], Awaitable[str]], report: Report) -> Image:
        """The image of this name, made by ``work`` where the engine does not have it. ``work`` returns the name under which it lies."""
        found = await self.find(name)
        if found is None:
            made = await self.share(name, work, report)
            found = await self.find(made)
        if found is None:
            raise Failure(f"The image {name} was made, but the engine does not have it. Try again.", phase=Phase.ABSENT)
        return found

    async def share(self, key: str, work: Callable[[Report], Awaitable[str]], report: Report) -> str:
        """The result of work that goes on under this key already or begins now; it is cancelled with the last who waits for it."""
        return await self._work.run(key, work, report)

    async def ensure(self, recipe: Recipe, report: Report) -> Image:
        """The image of a recipe, built where the engine does not have it."""
        image = await self.make(recipe.tag, lambda tell: self._workshop.build(recipe, tell), report)
        self._ledger.built(image.id)
        return image

    async def base(self, family: str, report: Report) -> Image:
        """The base image of ``node``, ``python`` or ``dotnet`` servers."""
        image = await self.ensure(base_recipe(family, await self._debian(report)), report)
        self._ledger.bases[family] = image.id
        return image

    async def pulled(self, reference: str, report: Report) -> Image:
        """An image that the engine has, or that it can pull."""
        try:
            return await self.make(reference, lambda tell: self._pull(reference, tell, PULL_SECONDS), report)
        except EngineRefused as refusal:
            raise Failure(_why_not_pulled(reference, str(refusal)), phase=Phase.ABSENT) from refusal

    async def _debian(self, report: Report) -> Image:
        try:
            return await self.make(DEBIAN, lambda tell: self._pull(DEBIAN, tell, DEBIAN_PULL_SECONDS), report)
        except EngineRefused as refusal:
            logger.info("%s cannot be pulled (%s); it is made here", DEBIAN, refusal)
            return await self.make(DEBIAN, self._workshop.make_debian, report)

    async def _pull(self, reference: str, report: Report, seconds: float) -> str:
        output = PullOutput(reference)
        report(output.detail, None)
        before = await self._names(reference)
        try:
            async with asyncio.timeout(seconds):
                async for event in self._engine.images.pull(reference):
                    if output.feed(event):
                        report(output.detail, output.fraction)
        except TimeoutError:
            raise EngineRefused(504, f"the registry did not answer within {seconds:g} s") from None
        if reference != DEBIAN:
            for image, names in (await self._names(reference)).items():
                self._ledger.pulled(image, names - before.get(image, set()))
        return reference

    async def _names(self, reference: str) -> dict[str, set[str]]:
        """The names that images have in the repository of this reference, by the images' ids."""
        name = repository(reference)
        images = await self._engine.images.all()
        return {image.id: {known for known in (*image.tags, *image.digests) if repository(known) == name} for image in images}


def _why_not_pulled(reference: str, refusal: str) -> str:
    said = refusal.rstrip(".")
    if any(sign in said for sign in ("verification failed", "does not match digest", "digest mismatch")):
        return f"What the registry sent for the image {reference} is not what its digest says, so it was refused: {said}. Try again later."
    if "@" in reference and any(sign in said for sign in ("manifest unknown", "not found")):
        return f"The registry has no image {reference}: {said}. Check the digest, or name a tag."
    return f"The image {reference} is not on this toolbox and cannot be pulled: {said}. Check its name, or load it there."
