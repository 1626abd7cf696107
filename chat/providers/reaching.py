"""Which addresses a provider may be at.

Users write them down, so that they could turn Agentopia against the network that it stands in. As with registries (`mcp_registry.importing.
addresses`), the very address that a connection is made to is judged, in the moment in which it is made: a name that changes its mind, octal
numbers or IPv4 within IPv6 do not get inside. PRIVATE_MODEL_HOSTS says what may be asked beside the public internet.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from agentopia.lib.errors import InvalidInput
from chat.models import ModelProvider
from mcp_registry.importing.addresses import Reach, checked_address, is_public

LONGEST_URL = 500
PRIVATE = "It leads to an address inside a private network, which is not asked from here. An operator can allow it (PRIVATE_MODEL_HOSTS)."
PLAIN = "Over plain HTTP a key could be read on its way: use https:// for an address of the public internet."


@dataclass(frozen=True)
class Reaching:
    """What may be asked. Two that are equal may share connections.

    ``reach.hosts`` an operator vouches for by name, whatever they lead to. With ``reach.everything`` private addresses may be asked too,
    but for those of the link itself, where clouds keep the secrets of their machines.
    """

    reach: Reach

    def checked(self, url: str) -> str:
        """A base address, as far as its text says; raises `InvalidInput`."""
        address = checked_address(url, self.reach)
        if address.query or address.fragment:
            raise InvalidInput("The address of a provider has no “?” or “#” in it.", code="invalid_address")
        base = url.strip().rstrip("/")
        if len(base) > LONGEST_URL:
            raise InvalidInput(f"At most {LONGEST_URL} characters.", code="invalid_address")
        return base

    def refusal(self, host: str, port: int | None, address: str, *, plain: bool) -> str:
        """Why this IP address of this host may not be connected to, in a sentence; empty: it may. ``plain`` is without TLS."""
        written = f"[{host}]" if ":" in host else host.lower()
        if not {host.lower(), written, f"{written}:{port}"}.isdisjoint(self.reach.hosts):
            return ""
        if is_public(address):
            return PLAIN if plain else ""
        return "" if self.reach.everything and not _is_of_the_link(address) else PRIVATE


def _is_of_the_link(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (inner or found).is_link_local or (inner or found).is_multicast


def reaching_for_users() -> Reaching:
    """What users may enter."""
    return Reaching(_reach(settings.PRIVATE_MODEL_HOSTS))


def reaching_for(provider: ModelProvider) -> Reaching:
    """What this one may be at. What is shared may also be where the operator's own settings say."""
    if provider.owner_id is not None:
        return reaching_for_users()
    own = [urlsplit(url).netloc for url in (settings.AGENTOPIA_MODEL_URL, settings.EMBEDDED_MODEL_URL) if url]
    return Reaching(_reach([*settings.PRIVATE_MODEL_HOSTS, *own]))


def _reach(hosts: list[str]) -> Reach:
    lower = {host.lower() for host in hosts}
    return Reach(hosts=frozenset(lower - {"*"}), everything="*" in lower)
