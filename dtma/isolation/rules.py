"""The firewall's rules, as text for ``iptables-restore``: pure functions.

Every bridge of a toolbox has a name with the same beginning, so that a bridge that nobody has written rules for is closed. What the
tables do, in the order in which a packet meets them:

    nat PREROUTING      DNS goes to the server's own name server, all TCP (of egress ``open``: what is not public) to its proxy, and
                        UDP that may not pass to a port where nothing listens
    filter INPUT        from a bridge only those two are let in, at a bounded rate, and replies to what the host itself began; the rest
                        is refused at once
    mangle FORWARD      from a bridge with egress ``open`` to public addresses, else nothing; to a bridge only replies

The engine and other firewalls write into ``filter FORWARD`` and change its order; in ``mangle`` a packet that is dropped stays dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from dtma.isolation.addresses import PRIVATE
from dtma_wire import Egress

NOWHERE = 9
"""The discard port: UDP that is sent on to it is refused, which a program hears at once."""
MOST_A_SECOND = 300
"""New connections, and questions for names, of one server. DTMA looks at each of them, and must have time for others."""


@dataclass(frozen=True)
class Guarded:
    """One server's bridge, and where its proxy and its name server listen on it."""

    bridge: str
    gateway: str
    egress: Egress
    proxy_port: int
    dns_port: int


@dataclass(frozen=True)
class Jump:
    """A rule of a built-in chain that leads into one of ours."""

    table: str
    chain: str
    rule: tuple[str, ...]


def bridge_name(toolbox: str, server_id: str) -> str:
    """The host's name of a server's bridge: 15 characters, as many as an interface may have."""
    return f"{_prefix(toolbox)}{_digest(server_id, 8)}"


def chain_name(toolbox: str) -> str:
    """Two DTMAs on one host, as in tests, do not touch each other's."""
    return f"AGENTOPIA-{_digest(toolbox, 5)}"


def jumps(toolbox: str) -> tuple[Jump, ...]:
    """What makes the chains count."""
    ours, chain = f"{_prefix(toolbox)}+", chain_name(toolbox)
    return (
        Jump("mangle", "FORWARD", ("-i", ours, "-j", chain)),
        Jump("mangle", "FORWARD", ("-o", ours, "-j", f"{chain}-TO")),
        Jump("filter", "INPUT", ("-i", ours, "-j", chain)),
        Jump("nat", "PREROUTING", ("-i", ours, "-j", chain)),
    )


def ipv6_jump(toolbox: str) -> Jump:
    """A server's network has no IPv6; this closes the host's link-local address too."""
    return Jump("mangle", "PREROUTING", ("-i", f"{_prefix(toolbox)}+", "-j", "DROP"))


def restore(toolbox: str, guarded: Iterable[Guarded]) -> str:
    """All chains of a toolbox with these servers in them, replacing what they held."""
    servers = sorted(guarded, key=lambda one: one.bridge)
    chain = chain_name(toolbox)
    tables = {
        "mangle": (
            [chain, f"{chain}-TO"],
            [*(rule for one in servers for rule in _forward(chain, one)), f"-A {chain} -j DROP", *_to(f"{chain}-TO")],
        ),
        "filter": (
            [chain],
            [
                *(rule for one in servers for rule in _input(chain, one)),
                f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                f"-A {chain} -j REJECT",
            ],
        ),
        "nat": ([chain], [rule for one in servers for rule in _redirect(chain, one)]),
    }
    return "".join(_table(table, chains, rules) for table, (chains, rules) in tables.items())


def removal(toolbox: str) -> str:
    """Takes the empty chains away; the jumps must be gone."""
    chain = chain_name(toolbox)
    parts = [("mangle", [chain, f"{chain}-TO"]), ("filter", [chain]), ("nat", [chain])]
    return "".join(_table(table, chains, [f"-X {name}" for name in chains]) for table, chains in parts)


def _table(table: str, chains: list[str], rules: list[str]) -> str:
    return "\n".join([f"*{table}", *(f":{chain} - [0:0]" for chain in chains), *rules, "COMMIT", ""])


def _redirect(chain: str, one: Guarded) -> list[str]:
    come = f"-A {chain} -i {one.bridge}"
    rules = [f"{come} -p {protocol} --dport 53 -j REDIRECT --to-ports {one.dns_port}" for protocol in ("udp", "tcp")]
    reaches = [""] if one.egress is not Egress.OPEN else [" -m addrtype --dst-type LOCAL", *(f" -d {network}" for network in PRIVATE)]
    for reach in reaches:
        rules.append(f"{come}{reach} -p tcp -j REDIRECT --to-ports {one.proxy_port}")
        rules.append(f"{come}{reach} -p udp -j REDIRECT --to-ports {NOWHERE}")
    return rules


def _input(chain: str, one: Guarded) -> list[str]:
    to = f"-A {chain} -i {one.bridge} -d {one.gateway}/32"
    # For UDP every packet counts, so this comes before what is established.
    asks, begins = f"{to} -p udp --dport {one.dns_port}", f"{to} -p tcp --syn"
    rate = f"-m limit --limit {MOST_A_SECOND}/second --limit-burst {2 * MOST_A_SECOND}"
    return [
        f"{asks} {rate} -j ACCEPT",
        f"{asks} -j DROP",
        *(f"{begins} --dport {port} {rate} -j ACCEPT" for port in (one.proxy_port, one.dns_port)),
    ]


def _forward(chain: str, one: Guarded) -> list[str]:
    if one.egress is not Egress.OPEN:
        return []
    come = f"-A {chain} -i {one.bridge}"
    return [*(f"{come} -d {network} -j DROP" for network in PRIVATE), f"{come} -o {one.bridge} -j DROP", f"{come} -j RETURN"]


def _to(chain: str) -> list[str]:
    return [f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN", f"-A {chain} -j DROP"]


def _prefix(toolbox: str) -> str:
    return f"ag{_digest(toolbox, 5)}"


def _digest(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:size]
