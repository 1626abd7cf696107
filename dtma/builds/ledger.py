"""What this DTMA remembers of images: who uses which, since when nobody does, and which names it brought here itself.

It is one file, ``images.json`` in DTMA's home. What is lost with it: tags are resolved anew, and ages begin anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError

logger = logging.getLogger(__name__)


class Use(BaseModel):
    """The image of one server. ``pinned`` is what ``reference`` was resolved to: ``name@sha256:…``, or an image's id without a registry."""

    image: str
    reference: str = ""
    pinned: str = ""
    generation: int = 0


class Known(BaseModel):
    """An image: when it was last used (Unix time), whether this DTMA built it, and the names under which it pulled it."""

    used: float
    built: bool = False
    pulled: tuple[str, ...] = ()


class Content(BaseModel):
    """The file."""

    servers: dict[str, Use] = {}
    images: dict[str, Known] = {}


class Ledger:
    """Every change is on the disk when its method returns. ``gate`` is held by whoever removes an image or begins to use one."""

    def __init__(self, home: Path) -> None:
        self._path = home / "images.json"
        self._content = self._read()
        self.gate = asyncio.Lock()
        self.bases: dict[str, str] = {}
        """The ids of the bases that would be built on now, by family. They are ready for the next deployment, so age is no reason."""

    def pinned(self, server: str, reference: str, generation: int) -> str | None:
        """What a server's reference stands for since it was first resolved, None if it may be resolved now.

        A digest stays for as long as the server names this reference; an image that only this engine has, for one generation.
        """
        use = self._content.servers.get(server)
        if use is None or use.reference != reference or not (use.generation == generation or "@" in use.pinned):
            return None
        return use.pinned

    def use(self, server: str, use: Use, *others: str) -> None:
        """A server uses an image from now on, which stands on ``others``."""
        self._content.servers[server] = use
        self.touch(use.image, *others)

    def users(self, servers: Iterable[str]) -> set[str]:
        """The ids of the images of these servers; what others used is forgotten."""
        known = set(servers)
        for gone in set(self._content.servers) - known:
            del self._content.servers[gone]
        return {use.image for use in self._content.servers.values()}

    def touch(self, *images: str) -> None:
        """These images are used now."""
        now = time.time()
        for image in images:
            self._content.images.setdefault(image, Known(used=now)).used = now
        self._write()

    def pulled(self, image: str, names: Iterable[str]) -> None:
        """This DTMA pulled an image, which got these names by that; no names, nothing to remember."""
        if not (names := set(names)):
            return
        known = self._content.images.setdefault(image, Known(used=time.time()))
        known.pulled = tuple(sorted({*known.pulled, *names}))
        self._write()

    def built(self, image: str) -> None:
        """This DTMA built an image."""
        self._content.images.setdefault(image, Known(used=time.time())).built = True
        self._write()

    def known(self, image: str) -> Known:
        """What is remembered of an image; one that is seen for the first time counts as used now."""
        return self._content.images.setdefault(image, Known(used=time.time()))

    def keep_only(self, images: set[str]) -> None:
        """Forget the images that are no longer there."""
        for gone in set(self._content.images) - images:
            del self._content.images[gone]
        self._write()

    def _read(self) -> Content:
        try:
            return Content.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Content()
        except (OSError, ValidationError) as error:
            logger.error("%s cannot be read (%s); ages of images begin anew", self._path, type(error).__name__)
            return Content()

    def _write(self) -> None:
        temporary = self._path.with_name(".images.json.new")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - not for others to read
                file.write(self._content.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            logger.warning("%s was not written: %s", self._path, error.strerror)
