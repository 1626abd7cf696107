"""Raw HTTP to one DTMA, for the passage that carries every tool call: a fraction of what a general client costs.

Bytes go in and out over mutual TLS; nothing of them is looked at. What fails is a ``DtmaError``, from the request and from its answer.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from dtma_client.exceptions import DtmaError, DtmaFault, DtmaRefused, DtmaTimeout, DtmaUnreachable
from dtma_client.transport import CERTIFICATE_EXPIRED, CONNECT_SECONDS, Endpoint
from lean_http import Answer, Client, HttpError, Malformed, Peer, TooLarge, TooSlow, Unreachable

IDLE_SECONDS = 60.0
"""DTMA keeps a connection that nobody uses for longer than this, so that it is not the one to hang up."""

RawAnswer = Answer


class RawClient(Client):
    """Requests to one DTMA, from one event loop; any number at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        where = urlsplit(endpoint.url)

        async def admit(transport: asyncio.Transport) -> None:
            certificate = transport.get_extra_info("peercert") or {}
            if endpoint.admit is not None and not await endpoint.admit(str(certificate.get("serialNumber", "")).lstrip("0")):
                raise DtmaRefused(f"The certificate that {endpoint.url} shows was revoked.", code="certificate_revoked")

        super().__init__(
            Peer(
                host=str(where.hostname),
                port=where.port or 443,
                authority=where.netloc,
                idle_seconds=IDLE_SECONDS,
                tls=endpoint.tls,
                name=endpoint.name,
                connect_seconds=CONNECT_SECONDS,
                admit=admit,
                told=lambda error: dtma_error(endpoint, error),
            )
        )


def dtma_error(endpoint: Endpoint, error: HttpError) -> DtmaError:
    """What a request that failed means."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return mismatch(endpoint, cause)
    match error:
        case TooSlow():
            return DtmaTimeout(f"The toolbox at {endpoint.url} did not answer in time.")
        case Unreachable():
            return DtmaUnreachable(f"The toolbox at {endpoint.url} cannot be reached: {cause}")
        case TooLarge():
            return DtmaFault(f"The toolbox's answer has {error}.")
        case Malformed():
            return DtmaFault(f"The toolbox answered with something that is not HTTP: {error}")
        case _:
            return DtmaUnreachable(f"The toolbox at {endpoint.url} hung up before its answer was complete.")


def mismatch(endpoint: Endpoint, error: ssl.SSLError) -> DtmaError:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == CERTIFICATE_EXPIRED:
        return DtmaUnreachable(f"The certificate of the toolbox at {endpoint.url} has expired. It has to renew it first.")
    return DtmaRefused(
        f"What answers at {endpoint.url} is not this toolbox, or does not take this control plane for its own: {error}",
        code="identity_mismatch",
    )
