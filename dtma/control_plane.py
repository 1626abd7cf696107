"""The control plane's listener for toolboxes, as DTMA calls it."""

from __future__ import annotations

import aiohttp
from pydantic import ValidationError

from dtma.identity import Identity
from dtma_wire import CONTROL_PLANE_NAME, ErrorBody

LIMIT_SECONDS = 10.0
KEPT_SECONDS = 120.0
"""An idle connection is kept for so long: a handshake costs both sides more than a heartbeat."""
UNRECOGNISED = (401, 403)
_JSON = {"Content-Type": "application/json"}


class NotTaken(Exception):
    """The control plane did not take what it was sent. ``unrecognised``: it does not believe who sent it."""

    def __init__(self, problem: str, *, unrecognised: bool = False) -> None:
        super().__init__(problem)
        self.unrecognised = unrecognised


class ControlPlane:
    """Requests to one control plane, under this toolbox's certificate."""

    def __init__(self, url: str, identity: Identity) -> None:
        self._url = url.rstrip("/")
        self._identity = identity
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2, keepalive_timeout=KEPT_SECONDS), trust_env=False)

    async def post(self, path: str, body: bytes) -> bytes:
        """The answer to a request with a JSON body; raises ``NotTaken``."""
        try:
            async with self._http.post(
                self._url + path,
                data=body,
                headers=_JSON,
                timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS),
                ssl=self._identity.client,
                server_hostname=CONTROL_PLANE_NAME,
                allow_redirects=False,
            ) as response:
                said = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotTaken(str(error) or type(error).__name__) from error
        if response.status >= 300:
            raise NotTaken(f"it answered HTTP {response.status}{_reason(said)}", unrecognised=response.status in UNRECOGNISED)
        return said

    async def close(self) -> None:
        """Hang up."""
        await self._http.close()


def _reason(body: bytes) -> str:
    try:
        return f": {ErrorBody.model_validate_json(body).message}"
    except ValidationError:
        return ""
