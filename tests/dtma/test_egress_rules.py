"""The firewall's rules as text, compared whole."""

from __future__ import annotations

from dtma.isolation.addresses import PRIVATE
from dtma.isolation.rules import Guarded, bridge_name, ipv6_jump, jumps, removal, restore
from dtma_wire import Egress

BRIDGE = "ag26f85e8bc163c"
CLOSED = """\
*mangle
:AGENTOPIA-26f85 - [0:0]
:AGENTOPIA-26f85-TO - [0:0]
-A AGENTOPIA-26f85 -j DROP
-A AGENTOPIA-26f85-TO -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
-A AGENTOPIA-26f85-TO -j DROP
COMMIT
*filter
:AGENTOPIA-26f85 - [0:0]
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -d 198.19.0.1/32 -p udp --dport 15001 -m limit --limit 300/second --limit-burst 600 -j ACCEPT
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -d 198.19.0.1/32 -p udp --dport 15001 -j DROP
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -d 198.19.0.1/32 -p tcp --syn --dport 15000 -m limit --limit 300/second --limit-burst 600 -j ACCEPT
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -d 198.19.0.1/32 -p tcp --syn --dport 15001 -m limit --limit 300/second --limit-burst 600 -j ACCEPT
-A AGENTOPIA-26f85 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A AGENTOPIA-26f85 -j REJECT
COMMIT
*nat
:AGENTOPIA-26f85 - [0:0]
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -p udp --dport 53 -j REDIRECT --to-ports 15001
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -p tcp --dport 53 -j REDIRECT --to-ports 15001
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -p tcp -j REDIRECT --to-ports 15000
-A AGENTOPIA-26f85 -i ag26f85e8bc163c -p udp -j REDIRECT --to-ports 9
COMMIT
"""


def guarded(egress: Egress) -> Guarded:
    return Guarded(bridge_name("box", "s1"), "198.19.0.1", egress, 15000, 15001)


def test_none_and_an_allow_list_are_the_same_to_the_kernel() -> None:
    assert restore("box", [guarded(Egress.NONE)]) == restore("box", [guarded(Egress.ALLOWLIST)]) == CLOSED


def test_open_egress_is_everything_but_what_is_private() -> None:
    lines = restore("box", [guarded(Egress.OPEN)]).splitlines()
    forwarded = [line for line in lines if line.startswith(f"-A AGENTOPIA-26f85 -i {BRIDGE}") and line.endswith((" DROP", " RETURN"))]
    dropped = [f"-A AGENTOPIA-26f85 -i {BRIDGE} -d {network} -j DROP" for network in PRIVATE]
    end = [f"-A AGENTOPIA-26f85 -i {BRIDGE} -o {BRIDGE} -j DROP", f"-A AGENTOPIA-26f85 -i {BRIDGE} -j RETURN"]
    assert forwarded[: len(dropped) + 2] == [*dropped, *end]
    for reach in ("-m addrtype --dst-type LOCAL", *(f"-d {network}" for network in PRIVATE)):
        assert f"-A AGENTOPIA-26f85 -i {BRIDGE} {reach} -p tcp -j REDIRECT --to-ports 15000" in lines
        assert f"-A AGENTOPIA-26f85 -i {BRIDGE} {reach} -p udp -j REDIRECT --to-ports 9" in lines
    assert f"-A AGENTOPIA-26f85 -i {BRIDGE} -p tcp -j REDIRECT --to-ports 15000" not in lines


def test_a_bridge_without_rules_is_closed_too() -> None:
    assert "-A AGENTOPIA-26f85 -j DROP" in restore("box", [])
    assert {jump.rule[:2] for jump in (*jumps("box"), ipv6_jump("box"))} == {("-i", "ag26f85+"), ("-o", "ag26f85+")}
    assert ipv6_jump("box").rule[-1] == "DROP"


def test_names_fit_and_do_not_meet() -> None:
    names = {bridge_name(toolbox, server) for toolbox in ("a", "b") for server in ("s1", "s2", "x" * 63)}
    assert (len(names), {len(name) for name in names}) == (6, {15})


def test_all_chains_are_taken_away_again() -> None:
    made = {line.split()[0][1:] for line in CLOSED.splitlines() if line.startswith(":")}
    assert {line.split()[1] for line in removal("box").splitlines() if line.startswith("-X")} == made
