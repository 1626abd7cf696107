"""How a host becomes a toolbox, and stays one."""

from __future__ import annotations

from channels.db import database_sync_to_async
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from agentopia.lib.errors import AgentopiaError
from dtma_wire import Enrol, Enrolled, Renew, Renewed
from toolboxes.identity.authority import certificate_authority
from toolboxes.intake.peer import Peer
from toolboxes.intake.router import Route, answer, read
from toolboxes.models import Certificate
from toolboxes.selectors import certificate_of
from toolboxes.services.certificates import renew_certificate
from toolboxes.services.enrolment import enrol


class CertificateRefused(AgentopiaError):
    """A certificate that does not count any more; the message says why, and what to do."""

    code = "certificate_refused"
    http_status = 403


async def authority(request: Request, peer: Peer | None) -> Response:
    """``GET /dtma/v1/ca``: the certificate that a host pins by its fingerprint."""
    return PlainTextResponse((await database_sync_to_async(certificate_authority)()).pem, media_type="application/x-pem-file")


async def take_enrolment(request: Request, peer: Peer | None) -> Response:
    """``POST /dtma/v1/enrol``"""
    wanted = await read(request, Enrol)
    address = request.client.host if request.client else ""
    enrolled: Enrolled = await database_sync_to_async(enrol)(request=wanted, peer=address)
    return answer(enrolled)


async def take_renewal(request: Request, peer: Peer | None) -> Response:
    """``POST /dtma/v1/renew``"""
    wanted = await read(request, Renew)
    assert peer is not None
    return answer(Renewed(certificate=await database_sync_to_async(_renew)(peer, wanted.request)))


def _renew(peer: Peer, request: str) -> str:
    certificate = accepted(peer, for_renewal=True)
    return renew_certificate(certificate=certificate, request=request)


def accepted(peer: Peer, *, for_renewal: bool = False) -> Certificate:
    """The peer's certificate, if it counts; raises `CertificateRefused`."""
    certificate = certificate_of(peer.toolbox, peer.serial)
    if certificate is None or certificate.revoked_at is not None or certificate.toolbox.deleted_at is not None:
        raise CertificateRefused("This toolbox's certificate was revoked. Make a new install command in the dashboard and run it here.")
    if certificate.is_valid() or (for_renewal and certificate.is_renewable()):
        return certificate
    if certificate.is_renewable():
        raise CertificateRefused("This toolbox's certificate has expired. It must renew it first.", code="certificate_expired")
    raise CertificateRefused(
        "This toolbox's certificate expired too long ago. Make a new install command in the dashboard and run it here."
    )


ROUTES = {
    "/dtma/v1/ca": Route("GET", authority, needs_certificate=False),
    "/dtma/v1/enrol": Route("POST", take_enrolment, needs_certificate=False),
    "/dtma/v1/renew": Route("POST", take_renewal),
}
