"""What one server may reach, as its spec says."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from dtma.isolation.addresses import may_be_named
from dtma_wire import Egress, ServerSpec

_ADDRESS = re.compile(r"[0-9.]+")


class Policy:
    """A spec's ``egress`` and ``allowed``, in a form that answers quickly. Names are lower case, without a dot at the end."""

    def __init__(self, spec: ServerSpec) -> None:
        self.egress = spec.egress
        self._names: set[tuple[str, int]] = set()
        self._below: set[tuple[str, int]] = set()
        self._addresses: set[tuple[IPv4Address, int]] = set()
        for destination in spec.allowed if spec.egress is Egress.ALLOWLIST else ():
            host, port = destination.host.lower(), destination.port
            if host.startswith("*."):
                self._below.add((host[1:], port))
            elif _ADDRESS.fullmatch(host):
                self._addresses |= {(address, port) for address in _parsed(host) if may_be_named(address)}
            elif not host.startswith("["):  # a server's network has no IPv6
                self._names.add((host, port))

    def knows(self, name: str) -> bool:
        """Whether the name may be resolved: it is allowed with some port, or anything is."""
        if self.egress is Egress.OPEN:
            return True
        return any(name == host for host, _ in self._names) or any(_is_below(name, suffix) for suffix, _ in self._below)

    def allows(self, name: str, port: int) -> bool:
        """Whether connections to this name and port are let through."""
        return (name, port) in self._names or any(port == its and _is_below(name, suffix) for suffix, its in self._below)

    def names_address(self, address: IPv4Address, port: int) -> bool:
        """Whether the user named this very address and port. The host's own are never among them."""
        return (address, port) in self._addresses

    def exact_names(self, port: int) -> list[str]:
        """The names, without those that only match a wildcard, that are allowed with a port."""
        return sorted(name for name, its in self._names if its == port)


def _parsed(text: str) -> list[IPv4Address]:
    """The address, or nothing where it is none, such as 1.2.3 or 300.1.1.1."""
    try:
        return [IPv4Address(text)]
    except ValueError:
        return []


def _is_below(name: str, suffix: str) -> bool:
    """Whether it is a subdomain; ``suffix`` begins with a dot, and a name does not lie below itself."""
    return name.endswith(suffix) and len(name) > len(suffix)
