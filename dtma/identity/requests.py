"""The key of this toolbox, and the request for a certificate.

It needs ``cryptography``, so nothing that the running DTMA loads may import it.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dtma.identity.files import IdentityFiles


def make_request(files: IdentityFiles) -> str:
    """The certificate signing request (PEM) of the key, which is made where there is none (ECDSA P-256). Both are on the disk then."""
    key = _read_key(files) or _make_key(files)
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    files.write(files.request, request)
    return request.decode()


def _read_key(files: IdentityFiles) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    except (FileNotFoundError, ValueError):  # a file that is damaged is of no use to anybody
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _make_key(files: IdentityFiles) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files.write(files.key, pem)
    return key
