"""Who is at the other end of a connection: read from its certificate once, when the connection is made."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dtma_wire import toolbox_named

EXTENSION = "io.agentopia.peer"
"""Where a request's scope (``extensions``) holds its `Peer`; without a certificate there is none."""


@dataclass(frozen=True)
class Peer:
    """The holder of a certificate that our authority signed for a toolbox. Whether it still counts, its row says."""

    toolbox: str
    serial: str


def peer_of(certificate: dict[str, Any] | None) -> Peer | None:
    """Read what ``getpeercert`` tells; None for no certificate, and for one that is not a toolbox's."""
    if not certificate:
        return None
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    toolbox = toolbox_named(names[0]) if len(names) == 1 else None
    return None if toolbox is None else Peer(toolbox, str(certificate["serialNumber"]).lstrip("0"))


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's, with the peer in every scope."""

    _peer: Peer | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A toolbox, or somebody who wants to be one, came."""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self._peer = peer_of(tls.getpeercert() if tls is not None else None)
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {} if self._peer is None else {EXTENSION: {"peer": self._peer}}
