"""The control plane's own certificate. Each process makes a key for itself, which exists in its memory alone."""

from __future__ import annotations

import ssl
import tempfile
import threading
import time
from datetime import timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dtma_wire import CONTROL_PLANE_NAME
from toolboxes.identity.authority import CertificateAuthority, certificate_authority

VALID_FOR = timedelta(days=7)
RENEW_AFTER_SECONDS = 24 * 3600.0
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which ``ssl`` has no name."""


class ControlPlaneIdentity:
    """The contexts with which this process calls toolboxes (``client``) and listens to them (``server``)."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self.client = _context(ssl.PROTOCOL_TLS_CLIENT, authority.pem)
        self.server = _context(ssl.PROTOCOL_TLS_SERVER, authority.pem)
        # Who has no certificate yet may ask for one. One that has run out may renew; what else it may is judged by its row.
        self.server.verify_mode = ssl.CERT_OPTIONAL
        self.server.verify_flags |= NO_CHECK_TIME
        self.renew(authority)

    @property
    def is_fresh(self) -> bool:
        """Whether its certificate is young enough."""
        return time.monotonic() < self._renew_at

    def renew(self, authority: CertificateAuthority) -> None:
        """Take a new key and certificate; connections that are open stay as they are."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = authority.sign(key.public_key(), CONTROL_PLANE_NAME, VALID_FOR)
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with tempfile.NamedTemporaryFile() as file:  # OpenSSL reads a key from a file alone; this one is its owner's only
            file.write(secret + certificate.pem.encode())
            file.flush()
            for context in (self.client, self.server):
                context.load_cert_chain(file.name)
        self._renew_at = time.monotonic() + RENEW_AFTER_SECONDS


_lock = threading.Lock()
_identities: dict[str, ControlPlaneIdentity] = {}


def control_plane() -> ControlPlaneIdentity:
    """This process's identity; reads the authority from the database at first and once a day."""
    with _lock:
        for identity in _identities.values():
            if identity.is_fresh:
                return identity
        authority = certificate_authority()
        known = _identities.get(authority.pem)
        if known is not None:
            known.renew(authority)
            return known
        _identities.clear()
        _identities[authority.pem] = ControlPlaneIdentity(authority)
        return _identities[authority.pem]


def forget() -> None:
    """Read the authority anew at the next use: another database is another control plane."""
    with _lock:
        _identities.clear()


def control_plane_if_fresh() -> ControlPlaneIdentity | None:
    """The same without the database: None where that would be needed."""
    return next((identity for identity in _identities.values() if identity.is_fresh), None)


def _context(protocol: ssl._SSLMethod, authority_pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority_pem)
    return context
