"""Images of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiodocker

from dtma.engine.failures import EngineRefused, failures
from dtma.labels import LABEL_INIT


@dataclass(frozen=True)
class Image:
    """An image on the engine. ``has_init`` says that its entrypoint is an init already."""

    id: str
    reference: str
    has_init: bool


class Images:
    """What DTMA does with images."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def find(self, reference: str) -> Image | None:
        """An image that the engine has."""
        try:
            with failures():
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
        with failures():
            async for event in self._docker.images.pull(reference, stream=True):
                yield " ".join(filter(None, (event.get("status"), event.get("progress"))))
