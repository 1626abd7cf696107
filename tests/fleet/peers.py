"""Whoever speaks to the control plane or to a DTMA by hand: with a toolbox's identity, with another one, or with none."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtma_wire import CONTROL_PLANE_NAME, WIRE_VERSION, Heartbeat, HostInfo, ServerState
from tests.fleet.control import ControlPlane
from tests.fleet.members import Member


@dataclass(frozen=True)
class Peer:
    """Somebody with these keys and certificates in hand."""

    tls: ssl.SSLContext

    def ask(
        self, address: tuple[str, int], method: str, path: str, body: str | None = None, *, name: str = CONTROL_PLANE_NAME
    ) -> tuple[int, Any]:
        """One request; status and JSON. Raises ``OSError`` for a peer that hangs up, in the handshake or after it."""
        with socket.create_connection(address, 10) as raw, self.tls.wrap_socket(raw, server_hostname=name) as sock:
            connection = http.client.HTTPConnection(*address)
            connection.sock = sock
            connection.request(method, path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                return answer.status, json.loads(answer.read() or b"null")

    def beat(self, control: ControlPlane, heartbeat: Heartbeat) -> tuple[int, Any]:
        return self.ask(control.intake, "POST", "/dtma/v1/heartbeat", heartbeat.model_dump_json())


def holding(member: Member) -> Peer:
    """Somebody who has copied the identity of a toolbox."""
    tls = trusting(member).tls
    tls.load_cert_chain(identity(member) / "certificate.pem", identity(member) / "key.pem")
    return Peer(tls)


def trusting(member: Member) -> Peer:
    """Somebody who knows the authority, and has no certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(identity(member) / "ca.pem")
    return Peer(tls)


def identity(member: Member) -> Path:
    """The folder of a toolbox's identity."""
    return member.host.home / "identity"


def heartbeat_of(member: Member, *servers: ServerState, ahead: int = 0, unchanged: tuple[str, ...] = ()) -> Heartbeat:
    """The last heartbeat that was taken from a toolbox, or one that comes ``ahead`` of it, with other states in it."""
    row = member.now()
    assert row.last_seen_at is not None
    return Heartbeat(
        wire_version=WIRE_VERSION,
        epoch=row.epoch,
        sequence=row.sequence + ahead,
        revision=1 << 60,
        sent_at=row.last_seen_at,
        info=HostInfo.model_validate(row.info),
        servers=servers,
        unchanged=unchanged,
        since=row.sequence if ahead else max(row.sequence - 1, 1),
    )
