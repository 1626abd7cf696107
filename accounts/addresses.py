"""From which network address a request comes."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SUBSCRIBER_BITS = 64
"""What one household or host gets of IPv6: within it, addresses cost nothing."""


def client_address(peer: str, forwarded: str = "") -> str | None:
    """The address of who asks: the ``peer`` of the connection. Only where that is one of the proxies that the operator named
    (``TRUSTED_PROXIES``), it is the last of ``X-Forwarded-For`` that none of them is; what stands further left, anybody can write.
    """
    address = _parsed(peer)
    for text in reversed(forwarded.split(",")):
        if address is None or not _trusted(address):
            break
        before = _parsed(text)
        if before is None:
            break
        address = before
    return str(address) if address else None


def address_of_request(meta: dict[str, Any]) -> str | None:
    """The same, of what Django keeps of a request (``request.META``)."""
    return client_address(str(meta.get("REMOTE_ADDR", "")), str(meta.get("HTTP_X_FORWARDED_FOR", "")))


def address_of_scope(scope: dict[str, Any]) -> str | None:
    """The same, of an ASGI scope."""
    forwarded = b",".join(value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for")
    return client_address((scope.get("client") or ("",))[0], forwarded.decode("latin-1"))


def network_of(address: str | None) -> str:
    """Under what an address is counted: itself, or the network of a subscriber where it is IPv6."""
    parsed = _parsed(address or "")
    if parsed is None:
        return "unknown"
    return str(ipaddress.ip_network((parsed, SUBSCRIBER_BITS), strict=False)) if parsed.version == 6 else str(parsed)


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)
