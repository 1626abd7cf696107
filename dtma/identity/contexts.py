"""TLS towards the control plane, in both directions: one certificate authority, names, and no clock that must be exact."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import Any

from dtma_wire import CONTROL_PLANE_NAME

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 2 * 24 * 3600
"""A host's clock may be wrong by so much before it refuses the control plane's certificate."""
_NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME`` of OpenSSL: it would compare with this host's clock to the second. ``Checked`` does with leeway."""


class Checked(ssl.SSLObject):
    """Ends the handshake of a peer that is out of date, or that comes here under another name than the control plane's.

    So the name is looked at once per connection, before a byte of HTTP. Towards others, OpenSSL compares it with what was asked for.
    """

    def do_handshake(self) -> None:
        """Raises ``ssl.SSLCertVerificationError`` as OpenSSL does for a certificate of another authority."""
        super().do_handshake()
        certificate = self.getpeercert() or {}
        if self.server_side and CONTROL_PLANE_NAME not in names_in(certificate):
            logger.warning("a peer that is not the control plane was hung up on: its certificate names %s", sorted(names_in(certificate)))
            raise ssl.SSLCertVerificationError(1, "the peer is not the control plane")
        begins, ends = validity_of(certificate)
        if not begins - LEEWAY_SECONDS <= time.time() <= ends + LEEWAY_SECONDS:
            logger.warning("a peer was hung up on: by this host's clock, its certificate is not valid")
            raise ssl.SSLCertVerificationError(1, "the certificate is not valid at the time that this host's clock tells")


def names_in(certificate: dict[str, Any]) -> set[str]:
    """The DNS names of a certificate, as ``getpeercert`` tells it."""
    return {name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"}


def validity_of(certificate: dict[str, Any]) -> tuple[float, float]:
    """When it begins and ends, in seconds since 1970."""
    return ssl.cert_time_to_seconds(certificate["notBefore"]), ssl.cert_time_to_seconds(certificate["notAfter"])


def server_context(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """For the control plane's calls: whoever has no certificate of its name does not get beyond the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # connections are kept; nothing must outlive the certificate that it began with
    context.options |= ssl.OP_NO_TICKET
    return _with(context, authority, certificate, key)


def client_context(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """For calls of the control plane; whoever calls names ``CONTROL_PLANE_NAME`` as the server's, whatever the address."""
    return _with(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authority, certificate, key)


def _with(context: ssl.SSLContext, authority: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= _NO_CHECK_TIME
    context.sslobject_class = Checked
    context.load_verify_locations(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
