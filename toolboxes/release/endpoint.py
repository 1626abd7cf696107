"""``/dtma/v1/release`` of the intake: what the present release is, and the archives. Nothing in them is secret, so anyone may have them."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from agentopia.lib.errors import NotFound, Unavailable
from toolboxes.intake.peer import Peer
from toolboxes.intake.router import Route, answer
from toolboxes.release.interpreter import CannotRelease
from toolboxes.release.store import archive_of, current_release

_ARCHIVE = re.compile(r"/dtma/v1/release/([0-9a-f]{64})\.tar\.gz")


async def present(request: Request, peer: Peer | None) -> Response:
    """``GET /dtma/v1/release``: ``{version, arch, sha256, bytes, path}``. Made now where it is missing, which takes some seconds."""
    try:
        return answer(await asyncio.to_thread(current_release))
    except CannotRelease as error:
        raise Unavailable(str(error)) from error


async def archive(request: Request, peer: Peer | None) -> Response:
    """``GET /dtma/v1/release/SHA256.tar.gz``, in ranges too (RFC 9110, section 14)."""
    named = _ARCHIVE.fullmatch(request.scope["path"])
    if named is None or not archive_of(named[1]).is_file():
        raise NotFound("There is no such release (any more). Ask for the present one at /dtma/v1/release.")
    return FileResponse(archive_of(named[1]), media_type="application/gzip")


ROUTES = {
    "/dtma/v1/release": Route("GET", present, needs_certificate=False),
    "/dtma/v1/release/": Route("GET", archive, needs_certificate=False),
}
