"""A certificate authority of the tests' own, as the control plane has one: it makes toolboxes, control planes, and what is neither."""

from __future__ import annotations

import functools
import hashlib
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dtma_wire import CONTROL_PLANE_NAME, toolbox_name

DAY = timedelta(days=1)
type Key = ec.EllipticCurvePrivateKey


class Authority:
    """One of them. Its certificates are valid from a while ago, so that a clock may jump by a day."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Agentopia tests")])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder(
                self._name, self._name, self._key.public_key(), x509.random_serial_number(), now - 3 * DAY, now + 3 * DAY
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(Encoding.PEM)
        self.fingerprint = "sha256:" + hashlib.sha256(self._certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def key_pem(self) -> bytes:
        """Its key, for a control plane that is to be this authority."""
        return _pem(self._key)

    def certificate(
        self, names: Sequence[str], key: ec.EllipticCurvePublicKey, begins: datetime | None = None, life: timedelta = 3 * DAY
    ) -> bytes:
        """PEM."""
        begins = begins or datetime.now(UTC) - DAY
        subject = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH])
        made = x509.CertificateBuilder(self._name, x509.Name([]), key, x509.random_serial_number(), begins, begins + life)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = made.add_extension(subject, critical=True).add_extension(usage, critical=False).add_extension(issuer, critical=False)
        return made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def answer(self, request: str, toolbox: str, **validity: Any) -> str:
        """The certificate of a toolbox for its signing request, both PEM."""
        asked = x509.load_pem_x509_csr(request.encode())
        assert asked.is_signature_valid
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self.certificate([toolbox_name(toolbox)], key, **validity).decode()

    def server(self, names: Sequence[str] = (CONTROL_PLANE_NAME,), **validity: Any) -> ssl.SSLContext:
        """For whoever toolboxes call. A peer need not show a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context, names, **validity)
        context.load_verify_locations(cadata=self.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME: one that has expired may still renew
        return context

    def client(self, names: Sequence[str] | None = (CONTROL_PLANE_NAME,), *, trusting: bool = False, **validity: Any) -> ssl.SSLContext:
        """For whoever calls toolboxes; without ``names`` it has no certificate. ``trusting`` takes the toolbox for whoever it is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem.decode())
        context.check_hostname = not trusting
        if names is not None:
            self._load(context, names, **validity)
        return context

    def identify(self, home: Path, toolbox: str, **validity: Any) -> None:
        """Give a DTMA an identity, as enrolling would."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        folder = home / "identity"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key.pem").write_bytes(_pem(key))
        (folder / "request.pem").write_bytes(request)
        (folder / "ca.pem").write_bytes(self.pem)
        (folder / "certificate.pem").write_text(self.answer(request.decode(), toolbox, **validity))
        for file in folder.iterdir():
            file.chmod(0o600)

    def _load(self, context: ssl.SSLContext, names: Sequence[str], **validity: Any) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        with tempfile.NamedTemporaryFile() as file:  # OpenSSL takes a key from a file only
            file.write(_pem(key) + self.certificate(names, key.public_key(), **validity))
            file.flush()
            context.load_cert_chain(file.name)


def _pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@functools.cache
def authority() -> Authority:
    """The one that all of a test process's toolboxes and control planes are of."""
    return Authority()


@functools.cache
def control_plane() -> ssl.SSLContext:
    """The control plane as a client of toolboxes."""
    return authority().client()


@functools.cache
def any_toolbox() -> ssl.SSLContext:
    """The control plane as a client that does not ask which toolbox it talks to, for clients that cannot be told a name."""
    return authority().client(trusting=True)
