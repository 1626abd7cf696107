"""The newest release of the control plane, fetched over TLS that its own authority vouches for."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from pydantic import Field, ValidationError

from dtma.identity import IdentityFiles
from dtma.identity.contexts import client_context
from dtma.machine.places import HOME, PROGRAMS, UNFINISHED, Problem
from dtma_wire import CONTROL_PLANE_NAME
from dtma_wire.base import Event

LIMIT_SECONDS = 600.0
CONNECT_SECONDS = 15.0
MAKING_SECONDS = 180.0
"""The first who asks for a release waits until the control plane has made it."""
_MOST_BYTES = 512 * 1024 * 1024
_CHUNK = 256 * 1024


class Offer(Event):
    """``GET /dtma/v1/release``: ``bytes`` is the length of the archive (tar.gz) at ``path``, ``sha256`` its hash."""

    version: str = Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")
    arch: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0, le=_MOST_BYTES)
    path: str = Field(pattern=r"^/dtma/v1/release/[0-9A-Za-z._-]+$")

    @property
    def place(self) -> Path:
        """Its folder on this machine. A version that was built twice has two."""
        return PROGRAMS / f"{self.version}-{self.sha256[:12]}"


async def newest(control: str) -> Offer:
    """What the control plane offers. Raises `Problem`."""
    async with _got(control, "/dtma/v1/release", MAKING_SECONDS) as response:
        try:
            return Offer.model_validate_json(await response.read())
        except ValidationError:
            raise Problem("The control plane offers its release in a form that this DTMA does not understand.") from None


async def fetch(control: str, offer: Offer) -> None:
    """Put the release into its place, whole or not at all. Raises `Problem`."""
    for left_behind in PROGRAMS.glob(f"{UNFINISHED}*"):
        if left_behind.is_dir():
            shutil.rmtree(left_behind)
        else:
            left_behind.unlink()
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=PROGRAMS) as place:
        archive, tree = Path(place) / "release.tar.gz", Path(place) / "tree"
        async with _got(control, offer.path, LIMIT_SECONDS) as response:
            found = await _write(response, archive)
        if found != offer.sha256:
            raise Problem("The release arrived damaged. Run this again.")
        with tarfile.open(archive) as tar:
            tar.extractall(tree, filter="tar")
        tree.rename(offer.place)


@asynccontextmanager
async def _got(control: str, path: str, seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
    url = control.rstrip("/") + path
    limits = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
    tls = client_context(IdentityFiles(HOME).authority)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as http,
            http.get(url, ssl=tls, server_hostname=CONTROL_PLANE_NAME, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise Problem(f"The control plane did not give its release: {url} answered HTTP {response.status}.")
            yield response
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Problem(f"The control plane did not give its release: {str(error) or type(error).__name__}.") from error


async def _write(response: aiohttp.ClientResponse, path: Path) -> str:
    """The SHA-256 of what was written."""
    total, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > _MOST_BYTES:
                raise Problem("The release is longer than any release. Nothing was changed.")
            total.update(chunk)
            file.write(chunk)
    return total.hexdigest()
