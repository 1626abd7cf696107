"""Addresses that somebody else wrote down: what is asked, and what never."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
import pytest

from agentopia.lib.errors import AgentopiaError, InvalidInput, Unavailable
from mcp_registry.importing.addresses import Reach, is_public
from mcp_registry.importing.fetching import Limits, Refusal, fetch
from tests.doubles.mcp_registry import RegistryDouble, body, hung_up, status

QUICK = Limits(max_bytes=10_000, seconds=5)

PRIVATE = [
    "0.0.0.0",  # noqa: S104 (nothing listens there)
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "255.255.255.255", "224.0.0.1",
    "192.0.2.1", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "localhost", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
     "[::]", "169.254.169.254", "[fe80::1%25lo]", "①②⑦.0.0.1", "[64:ff9b::7f00:1]", "10.255.255.1"],
)  # fmt: skip
def test_no_disguise_of_a_private_address_is_asked(host: str, double: RegistryDouble) -> None:
    port = double.host.rpartition(":")[2]
    with pytest.raises(InvalidInput, match=r"private network|no address"):
        fetch(f"https://{host}:{port}/v0.1/servers", limits=QUICK)
    assert double.asked == []


@pytest.mark.parametrize(
    "url",
    ["", "x", "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)", "data:text/plain,x", "gopher://x/",
     "https://", "https:///x", "https://user@example.org/", "https://:pw@example.org/", "https://a b/", "https://example.org:99999/",
     "https://example.org:0/", "https://exa\nmple.org/", "https://" + "x" * 3000],
)  # fmt: skip
def test_only_addresses_of_the_web_are_asked(url: str) -> None:
    with pytest.raises(InvalidInput):
        fetch(url, limits=QUICK)


class Rebinding:
    """A name that is public whenever somebody looks, and leads inside whenever somebody connects."""

    def __init__(self, **options: Any) -> None:
        pass

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[dict[str, Any]]:
        flags = {"family": socket.AF_INET, "proto": 0, "flags": socket.AI_NUMERICHOST}
        return [{"hostname": host, "host": "127.0.0.1", "port": port, **flags}]

    async def close(self) -> None:
        pass


def test_a_name_that_leads_inside_once_it_is_connected_to(double: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", Rebinding)
    with pytest.raises(InvalidInput, match="private network"):
        fetch(f"https://rebinding.example:{double.host.rpartition(':')[2]}/v0.1/servers", limits=QUICK)
    assert double.asked == []


def test_what_is_there_is_read(double: RegistryDouble) -> None:
    double.always = body("hello")
    assert fetch(f"{double.url}/servers", reach=Reach(frozenset({double.host})), limits=QUICK, query={"a": "b c&d"}) == b"hello"
    assert double.asked == [{"a": "b c&d"}]


def test_a_redirect_is_judged_like_an_address(double: RegistryDouble) -> None:
    reach = Reach(frozenset({double.host}))
    double.faults = [status(302, Location="/elsewhere/servers"), body("there")]
    assert fetch(f"{double.url}/servers", reach=reach, limits=QUICK) == b"there"
    assert double.paths[-1] == "/elsewhere/servers"
    other = RegistryDouble().start()
    try:
        for target in (other.url, other.url.replace("http:", "https:"), "file:///etc/passwd", "//127.0.0.1/x", "http://[::1]/"):
            double.always = status(302, Location=f"{target}/servers" if target.startswith("http") else target)
            with pytest.raises(InvalidInput):
                fetch(f"{double.url}/servers", reach=reach, limits=QUICK)
        assert other.asked == []
    finally:
        other.stop()


def test_a_circle_of_redirects_ends(double: RegistryDouble) -> None:
    double.always = status(302, Location="/servers")
    with pytest.raises(InvalidInput, match="without an end"):
        fetch(f"{double.url}/servers", reach=Reach(everything=True), limits=QUICK)
    assert len(double.asked) == 6


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (status(404), Refusal, "HTTP 404"),
        (status(500), Refusal, "HTTP 500"),
        (hung_up, Unavailable, "cannot be reached"),
        (body("x" * 20_000), InvalidInput, "larger than"),
        (lambda right: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), InvalidInput, "packed"),
        (lambda right: (200, {"Content-Length": "999"}, b"short"), Unavailable, "broke off"),
    ],
)
def test_what_goes_wrong_is_told(double: RegistryDouble, fault: Any, kind: type[AgentopiaError], told: str) -> None:
    double.always = fault
    with pytest.raises(kind, match=told):
        fetch(f"{double.url}/servers", reach=Reach(frozenset({"127.0.0.1"})), limits=QUICK)


def test_nobody_is_waited_for_without_an_end(double: RegistryDouble) -> None:
    double.hold.clear()
    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        fetch(f"{double.url}/servers", reach=Reach(everything=True), limits=Limits(seconds=0.2))
