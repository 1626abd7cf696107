"""The names that one server may use: resolved for it, and remembered with their addresses, so that an address tells its name."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address

from dtma.isolation.addresses import is_public
from dtma.isolation.dns import NO_ERROR, A, Answer, Malformed
from dtma.isolation.policy import Policy
from dtma.isolation.tally import Tally
from dtma.isolation.upstream import Unresolved, Upstream

MOST_PINS = 4096
MOST_ADDRESSES = 64
"""Of one name in one answer."""
SHORTEST_SECONDS, LONGEST_SECONDS = 5, 300
"""How long an answer is believed, whatever its time to live says."""
KEPT_SECONDS = 3600.0
"""How long an address stays with its name after it was last given or used: programs hold on to addresses for longer than they should."""


@dataclass(frozen=True)
class Found:
    """The public addresses of a name, with the resolver's code and how long the answer may be used."""

    code: int
    addresses: tuple[IPv4Address, ...]
    ttl: int


class Names:
    """Resolution and pins of one server. What it forgets by a restart of DTMA it finds again by asking."""

    def __init__(self, policy: Policy, upstream: Upstream, tally: Tally) -> None:
        self._policy = policy
        self._upstream = upstream
        self._tally = tally
        self._fresh: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        self._pins: OrderedDict[tuple[IPv4Address, str], float] = OrderedDict()
        self._by_address: dict[IPv4Address, set[str]] = {}

    async def find(self, name: str) -> Found:
        """Resolve an allowed name and pin what it leads to. Raises ``Unresolved`` and ``Malformed``."""
        until, found = self._fresh.get(name, (0.0, None))
        now = time.monotonic()
        if found is None or until < now:
            _, answer = await self._upstream.ask(name, A)
            found = self._admit(name, answer)
            self._fresh[name] = (now + found.ttl, found)
            self._fresh.move_to_end(name)
            if len(self._fresh) > MOST_PINS:
                self._fresh.popitem(last=False)
        for address in found.addresses:
            self.pin(address, name)
        return found

    async def raw(self, name: str, kind: int) -> bytes:
        """What the resolver says of an allowed name, for records that are no addresses. Raises as ``find`` does."""
        reply, _ = await self._upstream.ask(name, kind)
        return reply

    def pin(self, address: IPv4Address, name: str) -> None:
        """Remember, or keep for longer, that a name led to an address."""
        self._pins[address, name] = time.monotonic() + KEPT_SECONDS
        self._pins.move_to_end((address, name))
        self._by_address.setdefault(address, set()).add(name)
        while len(self._pins) > MOST_PINS:
            self._drop(*next(iter(self._pins)))

    def pinned(self, address: IPv4Address) -> set[str]:
        """The names that led to an address."""
        now = time.monotonic()
        for name in [name for name in self._by_address.get(address, ()) if self._pins[address, name] < now]:
            self._drop(address, name)
        return set(self._by_address.get(address, ()))

    async def allowed_at(self, address: IPv4Address, port: int) -> set[str]:
        """The names by which a connection to this address and port is allowed.

        Where none is pinned, those that are allowed by name are asked for once more: the server may know the address from before a
        restart of DTMA.
        """
        allowed = {name for name in self.pinned(address) if self._policy.allows(name, port)}
        for name in [] if allowed else self._policy.exact_names(port):
            try:
                if address in (await self.find(name)).addresses:
                    return {name}
            except (Unresolved, Malformed):
                continue
        return allowed

    def _admit(self, name: str, answer: Answer) -> Found:
        """Leave out what a public name must not lead to, as it would in a rebinding attack."""
        public = tuple(address for address in answer.addresses[:MOST_ADDRESSES] if is_public(address))
        if answer.addresses and not public:
            self._tally.deny(name, 0, f"the name leads to {answer.addresses[0]}, which is no public address")
        ttl = min(max(answer.ttl, SHORTEST_SECONDS), LONGEST_SECONDS) if answer.code == NO_ERROR else SHORTEST_SECONDS
        return Found(answer.code, public, ttl)

    def _drop(self, address: IPv4Address, name: str) -> None:
        del self._pins[address, name]
        names = self._by_address[address]
        names.discard(name)
        if not names:
            del self._by_address[address]
