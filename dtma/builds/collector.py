"""Removing images that nobody uses any more: by age, and the oldest first while the disk is nearly full."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from dtma.builds.collecting import Candidate, needed_with_bases, plan
from dtma.builds.ledger import Ledger
from dtma.builds.recipes import OURS
from dtma.engine import Engine, EngineRefused
from dtma.engine.images import Stored
from dtma.errors import EngineUnavailable
from dtma.labels import LABEL_BASE

logger = logging.getLogger(__name__)

FIRST_SECONDS = 60.0
"""After its start DTMA has other things to do first."""
FRESH_SECONDS = 900.0
"""A deployment uses one image after the other; none may go in between."""
_MEGABYTE = 1_000_000
_DAY = 86_400


@dataclass(frozen=True)
class Limits:
    """What is kept. ``disk_percent`` is that of the disk on which the engine keeps its data."""

    days: float = 7
    disk_percent: float = 85
    build_cache_mb: int = 4096
    every_seconds: float = 3600


class Collector:
    """Of the images on the engine it looks at those that DTMA built, and those that this DTMA pulled; at others never."""

    def __init__(self, engine: Engine, ledger: Ledger, servers: Callable[[], Collection[str]], limits: Limits) -> None:
        self._engine = engine
        self._ledger = ledger
        self._servers = servers
        self._limits = limits
        self._collecting = asyncio.Lock()

    async def collect_now_and_then(self) -> None:
        """Collect again and again, for as long as DTMA runs."""
        await asyncio.sleep(min(self._limits.every_seconds, FIRST_SECONDS))
        while True:
            await self._try(self.collect())
            await asyncio.sleep(self._limits.every_seconds)

    async def make_room(self) -> None:
        """Collect if the disk is nearly full; a build is about to begin."""
        await self._try(self._collect_if_nearly_full())

    async def _collect_if_nearly_full(self) -> None:
        if await self._nearly_full():
            await self.collect()

    @staticmethod
    async def _try(work: Awaitable[None]) -> None:
        """Whether anything is collected, nobody's deployment depends on."""
        try:
            await work
        except (EngineUnavailable, EngineRefused) as error:
            logger.warning("images were not collected: %s", error)

    async def collect(self) -> None:
        """Remove what may go. Raises ``EngineUnavailable`` or ``EngineRefused``."""
        async with self._collecting:
            images = await self._engine.images.all()
            candidates = self._candidates(images)
            needed = await self._needed()
            self._ledger.keep_only({image.id for image in images})
            self._ledger.touch(*needed_with_bases(candidates, needed))
            ready, max_age = set(self._ledger.bases.values()), self._limits.days * _DAY
            chosen = plan(candidates, needed=needed, ready=ready, now=time.time(), max_age=max_age, fresh=min(FRESH_SECONDS, max_age))
            for candidate in chosen.expired:
                await self._remove(candidate, "nobody used it for long" if not candidate.superseded else "another has its name")
            await self._prune(self._limits.build_cache_mb * _MEGABYTE)
            if chosen.spare and await self._nearly_full():
                await self._prune(0)  # what building keeps holds on to the files of images, too
                for candidate in chosen.spare:
                    if not await self._nearly_full():
                        break
                    await self._remove(candidate, "the disk is nearly full")
                    await self._prune(0)

    def _candidates(self, images: Collection[Stored]) -> list[Candidate]:
        """Labels do not tell: whoever builds on an image of ours inherits them."""
        found = []
        for image in images:
            known, names = self._ledger.known(image.id), (*image.tags, *image.digests)
            mine = tuple(name for name in names if OURS.fullmatch(name) or name in known.pulled)
            superseded = known.built and not names
            if mine or superseded:
                base = image.labels.get(LABEL_BASE, "")
                found.append(Candidate(image.id, mine or (image.id,), known.used, base, superseded))
        return found

    async def _needed(self) -> set[str]:
        return self._ledger.users(self._servers()) | await self._engine.images.in_use()

    async def _remove(self, candidate: Candidate, why: str) -> None:
        """Take our names from an image, unless somebody began to use it meanwhile."""
        async with self._ledger.gate:
            if candidate.id in await self._needed() or self._ledger.known(candidate.id).used > candidate.last_used:
                return
            for name in candidate.names:
                if await self._engine.images.remove(name):
                    logger.info("removed the image %s: %s", name, why)

    async def _prune(self, keep_bytes: int) -> None:
        freed = await self._engine.images.prune_build_cache(keep_bytes)
        if freed:
            logger.info("freed %.0f MB of what building had kept", freed / _MEGABYTE)

    async def _nearly_full(self) -> bool:
        used = await asyncio.to_thread(_percent_used, await self._engine.images.kept_in())
        return used is not None and used > self._limits.disk_percent


def _percent_used(path: Path) -> float | None:
    """How full the disk is that holds a directory, as ``df`` counts; None where it is on another machine."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    used = found.f_blocks - found.f_bfree
    return 100 * used / max(1, used + found.f_bavail)
