"""The certificate authority. It signs two kinds of certificates: the control plane's own and toolboxes', told apart by their names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.db import IntegrityError, transaction
from django.utils import timezone

from agentopia.lib.errors import InvalidInput
from toolboxes.models import Authority

AUTHORITY_YEARS = 20
SKEW = timedelta(days=3)
"""How far another machine's clock may be behind ours before it takes a new certificate for one of the future."""

type PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class Signed:
    """A certificate as text (PEM), with what is remembered of it."""

    pem: str
    serial: str
    not_before: datetime
    not_after: datetime


class CertificateAuthority:
    """The key and the certificate of the authority."""

    def __init__(self, certificate_pem: str, key_pem: str) -> None:
        self.pem = certificate_pem
        self._certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = serialization.load_pem_private_key(key_pem.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the SHA-256 of the certificate (DER), in hexadecimal: what an install command pins."""
        return "sha256:" + self._certificate.fingerprint(hashes.SHA256()).hex()

    def sign(self, public_key: PublicKey, name: str, valid_for: timedelta, backdated: timedelta = SKEW) -> Signed:
        """A certificate for this key, made out to this name, for both ends of a connection."""
        now = timezone.now().replace(microsecond=0)
        not_before, not_after = now - backdated, now + valid_for
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder(
                self._certificate.subject, x509.Name([]), public_key, x509.random_serial_number(), not_before, not_after
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)  # as the subject is empty
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Signed(_pem(certificate), f"{certificate.serial_number:X}", not_before, not_after)


def certificate_authority() -> CertificateAuthority:
    """The authority of this control plane, made when there is none yet."""
    row = Authority.objects.first()
    if row is None:
        certificate, key = _make()
        try:
            with transaction.atomic():
                row = Authority.objects.create(certificate=certificate, key=key)
        except IntegrityError:  # another process made it in this moment
            row = Authority.objects.get()
    return CertificateAuthority(row.certificate, row.key)


def key_of_request(request_pem: str) -> PublicKey:
    """The public key of a certificate signing request whose sender has proved to hold the private one; raises `InvalidInput`."""
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise InvalidInput(
                "The key of the certificate request must be an elliptic curve key (P-256 or Ed25519).", code="request_invalid"
            )
        if not request.is_signature_valid:
            raise InvalidInput("The certificate request is not signed by its own key.", code="request_invalid")
    except (ValueError, InvalidSignature) as error:
        raise InvalidInput("The certificate request cannot be read.", code="request_invalid") from error
    return key


def serial_of(certificate_pem: str) -> str:
    """A certificate's serial number, as `Certificate.serial` has it; raises ``ValueError`` for what is none."""
    return f"{x509.load_pem_x509_certificate(certificate_pem.encode()).serial_number:X}"


def digest_of_key(key: PublicKey) -> str:
    """SHA-256 of a public key, in hexadecimal."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _make() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Agentopia control plane")])
    now = timezone.now().replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - 30 * SKEW, now + timedelta(days=365 * AUTHORITY_YEARS)
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _pem(certificate), encoded.decode()


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
