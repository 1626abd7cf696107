"""Trying a certificate before anything depends on it: a handshake of this process with itself, in memory."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from dtma.identity.contexts import client_context, validity_of


def try_out(authority: Path, certificate: Path, key: Path, name: str) -> tuple[float, float]:
    """When a certificate begins and ends. Raises ``ssl.SSLError`` unless it is of this key, this authority and this name."""
    return validity_of(_shown(authority, certificate, key, name))


def _shown(authority: Path, certificate: Path, key: Path, name: str) -> dict[str, Any]:
    """The certificate as a peer sees it that expects this name."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    believing = client_context(authority)
    believing.sslobject_class = ssl.SSLObject  # whatever the time: one that has expired is still what the next is asked for with
    client = believing.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(10):
        if all([_goes_on(client), _goes_on(server)]):
            return client.getpeercert() or {}
    raise ssl.SSLError("the handshake does not end")


def _goes_on(side: ssl.SSLObject) -> bool:
    """One step of a handshake; whether it is complete."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
