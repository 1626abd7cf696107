"""Which IPv4 addresses a server may be let through to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network

PRIVATE = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""What is no public address (IANA's special-purpose registry, RFC 6890, and multicast); the cloud's metadata address is in link-local."""

_NEVER = tuple(IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
"""Not even where a user names the address itself: the host's loopback, its metadata address, and what is no single machine."""


def is_public(address: IPv4Address) -> bool:
    """Whether a name may lead there."""
    return not any(address in network for network in PRIVATE) and not is_of_this_host(address)


def may_be_named(address: IPv4Address) -> bool:
    """Whether a user may open this address by naming it, as one does with a database of the own network."""
    return not any(address in network for network in _NEVER) and not is_of_this_host(address)


def is_of_this_host(address: IPv4Address) -> bool:
    """Whether a connection to it would end on this machine. Nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((str(address), 9))
        except OSError:  # there is no way to it
            return False
        # To itself the kernel speaks from the very address that is spoken to.
        return str(sock.getsockname()[0]) == str(address)
