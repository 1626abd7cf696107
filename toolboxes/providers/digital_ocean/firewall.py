"""A droplet's firewall: DTMA's port from the control plane alone, nothing else in, everything out."""

from __future__ import annotations

from typing import Any

from django.conf import settings

DTMA_PORT = 7443
ANYWHERE = ["0.0.0.0/0", "::/0"]


def firewall_of(tag: str) -> dict[str, Any]:
    """The body of POST /v2/firewalls. It is bound to the tag, so it is there before the droplet is."""
    return {
        "name": tag,
        "tags": [tag],
        "inbound_rules": [{"protocol": "tcp", "ports": str(DTMA_PORT), "sources": {"addresses": list(settings.CONTROL_PLANE_ADDRESSES)}}],
        "outbound_rules": [
            {"protocol": protocol, "ports": "0", "destinations": {"addresses": ANYWHERE}} for protocol in ("tcp", "udp", "icmp")
        ],
    }
