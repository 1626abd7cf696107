"""Becoming a toolbox: from a one-time token to a certificate.

Whatever is interrupted is repaired by doing it again: the key is on the disk before the token leaves, the same key may use the same token
again, and the settings that DTMA starts with are written last.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import SecretStr, ValidationError

from dtma.identity.contexts import client_context
from dtma.identity.files import IdentityFiles
from dtma.identity.requests import make_request
from dtma.identity.trial import try_out
from dtma_wire import CONTROL_PLANE_NAME, WIRE_VERSION, Enrol, Enrolled, ErrorBody, toolbox_name

LIMIT_SECONDS = 15.0
MAX_PAUSE_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024
_PASSES = (408, 425, 429)
"""Statuses of the 400s that a later attempt may not meet."""


class Refused(Exception):
    """It will not do: trying again is of no use. The message is one sentence for a person."""


class NotNow(Exception):
    """It did not work, and may later."""


@dataclass(frozen=True)
class Wish:
    """``control`` is the URL of the control plane's listener for toolboxes, ``fingerprint`` says which authority to believe
    (``sha256:HEX`` of its certificate's DER form), and ``port`` and ``address`` where this host can be reached.
    """

    control: str
    token: SecretStr
    fingerprint: str
    port: int
    address: str = ""


async def enrol(files: IdentityFiles, wish: Wish, patience: float) -> Enrolled:
    """Get a certificate and put it in place. What may pass is tried again for so many seconds; raises ``Refused`` and ``NotNow``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    pause = 0.5
    while True:
        try:
            return await _attempt(files, wish)
        except NotNow:
            if loop.time() + pause > end:
                raise
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - to spread load
        pause = min(pause * 2, MAX_PAUSE_SECONDS)


async def _attempt(files: IdentityFiles, wish: Wish) -> Enrolled:
    request = make_request(files)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS)) as http:
        control = _Control(http, wish.control)
        authority = files.folder / "offered-ca.pem"
        files.write(authority, await _authority(control, wish.fingerprint))
        answer = await control.ask("POST", "/dtma/v1/enrol", client_context(authority), _enrol(wish, request))
    try:
        enrolled = Enrolled.model_validate_json(answer)
    except ValidationError:
        raise Refused("The control plane answered in a form that this version does not understand.") from None
    _put_in_place(files, authority, enrolled)
    return enrolled


def _enrol(wish: Wish, request: str) -> bytes:
    message = Enrol(
        wire_version=WIRE_VERSION,
        token=wish.token,
        request=request,
        port=wish.port,
        address=wish.address,
        hostname=socket.gethostname()[:253],
    )
    return message.model_dump_json().encode()


async def _authority(control: _Control, fingerprint: str) -> bytes:
    """The certificate of the control plane's authority. Whoever is asked may be anybody: the fingerprint says whether to believe it."""
    pem = await control.ask("GET", "/dtma/v1/ca", _trusting())
    try:
        found = "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()
    except ValueError:
        raise Refused(f"What answers at {control.url} is not a control plane.") from None
    if found != fingerprint.lower():
        raise Refused(
            f"What answers at {control.url} is another control plane than the one that the command came from, or somebody in between. "
            "The token was not sent."
        )
    return pem


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _put_in_place(files: IdentityFiles, authority: Path, enrolled: Enrolled) -> None:
    certificate = files.folder / "offered.pem"
    files.write(certificate, enrolled.certificate.encode())
    try:
        try_out(authority, certificate, files.key, toolbox_name(enrolled.toolbox))
    except ssl.SSLError as error:
        raise Refused(f"The control plane gave a certificate that cannot be used: {error}.") from error
    authority.replace(files.authority)
    certificate.replace(files.certificate)


class _Control:
    """The control plane's listener, before it knows this host."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = http

    async def ask(self, method: str, path: str, tls: ssl.SSLContext, body: bytes | None = None) -> bytes:
        """The body of the answer; raises ``Refused`` and ``NotNow``."""
        headers = {"Content-Type": "application/json"} if body else None
        try:
            async with self._http.request(
                method, self.url + path, data=body, headers=headers, ssl=tls, server_hostname=CONTROL_PLANE_NAME, allow_redirects=False
            ) as response:
                said = await response.content.read(MAX_ANSWER_BYTES)
                while piece := await response.content.read(MAX_ANSWER_BYTES):
                    said += piece
                    if len(said) > MAX_ANSWER_BYTES:
                        raise Refused(f"What answers at {self.url} is not a control plane.")
        except aiohttp.ClientConnectorCertificateError as error:
            raise Refused(f"What answers at {self.url} is not the control plane: {error.certificate_error}.") from error
        except aiohttp.InvalidURL:
            raise Refused(f"{self.url} is not the address of a control plane.") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotNow(f"The control plane at {self.url} cannot be reached: {str(error) or type(error).__name__}.") from error
        if response.status < 300:
            return said
        reason = _message(said) or f"The control plane at {self.url} answered HTTP {response.status}."
        raise (NotNow if response.status >= 500 or response.status in _PASSES else Refused)(reason)


def _message(body: bytes) -> str:
    try:
        return ErrorBody.model_validate_json(body).message
    except ValidationError:
        return ""
