"""Which addresses may be reached when somebody else wrote down where to: those of the public internet, and what an operator named.

A name is looked up once, and the very address that the connection is made to is judged, in the moment in which its socket is made. So it
does not matter how an address was written (octal, as one number, IPv4 within IPv6), nor whether a name leads elsewhere a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agentopia.lib.errors import InvalidInput

NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
MAX_URL = 2000


class Unreachable(OSError):
    """An address that may not be reached."""


@dataclass(frozen=True)
class Reach:
    """What may be reached beside the public internet: ``hosts`` as they stand in an address (``registry.internal``, ``10.0.0.7:8080``),
    over plain HTTP as well; ``everything`` for all private addresses.
    """

    hosts: frozenset[str] = field(default=frozenset())
    everything: bool = False

    def allows(self, address: SplitResult) -> bool:
        """Whether an operator vouches for this host."""
        return self.everything or address.netloc.lower() in self.hosts or (address.hostname or "") in self.hosts


PUBLIC = Reach()


def checked_address(url: str, reach: Reach) -> SplitResult:
    """An address that may be asked, as far as its text says; raises `InvalidInput`."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise InvalidInput("This is no address.", code="invalid_address") from None
    if len(url) > MAX_URL or not parts.hostname or port == 0 or any(letter.isspace() or not letter.isprintable() for letter in url.strip()):
        raise InvalidInput("This is no address: write one as in https://example.org/server.json.", code="invalid_address")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("An address with a user name or password in it is not asked.", code="invalid_address")
    if parts.scheme != "https" and not (parts.scheme == "http" and reach.allows(parts)):
        raise InvalidInput("Only addresses that begin with https:// are asked.", code="invalid_address")
    return parts


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, in whichever of its disguises."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and any(found in network for network in NAT64):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if int(found) >> 32 == 0:  # the old way to write IPv4 within IPv6
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for a connection to this address (as `getaddrinfo` tells it); raises `Unreachable` unless it is public."""
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise Unreachable(f"{address[0]} is no address of the public internet")
    return socket.socket(family=family, type=kind, proto=protocol)
