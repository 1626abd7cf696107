"""What a server reaches of the world, seen from inside its container and from the listeners that it tried to reach."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dtma.isolation.rules import MOST_A_SECOND
from dtma_client import DtmaClient, ServerNotFound
from dtma_wire import Destination, Egress, EgressReport, HttpTransport, ServerSpec
from tests.dtma.agent import Agent, ready, say, spec_of
from tests.dtma.outside import API, HOST, METADATA, OTHER, PRIVATE, RESOLVER, World

HTTP: dict[str, Any] = {"transport": HttpTransport(port=8000)}


@pytest.fixture(scope="module")
def world(image: str) -> Iterator[World]:
    world = World(image)
    yield world
    world.remove()


@pytest.fixture(scope="module")
def inside(world: World) -> Iterator[Agent]:
    """The DTMA of that host."""
    agent = world.agent("box").start()
    yield agent
    agent.stop()


@pytest.fixture
async def client(inside: Agent) -> AsyncIterator[DtmaClient]:
    async with DtmaClient(inside.endpoint) as client:
        yield client


def allowing(image: str, *destinations: str, **changes: Any) -> ServerSpec:
    """A prober with an allow-list; ``host`` or ``host:port``."""
    allowed = []
    for destination in destinations:
        host, _, port = destination.partition(":")
        allowed.append(Destination(host=host, port=int(port or 443)))
    return spec_of(image, "probe", egress=Egress.ALLOWLIST, allowed=tuple(allowed), **changes)


async def heard(client: DtmaClient, server_id: str, host: str, port: int, **arguments: Any) -> str:
    """What a connection heard, or the name of its error."""
    outcome = json.loads(await say(client, server_id, "connect", host=host, port=port, **arguments))
    assert outcome["seconds"] < 8, "it hung instead of failing"
    return str(outcome.get("heard") or outcome["failed"])


async def found(client: DtmaClient, server_id: str, name: str) -> list[str]:
    outcome = json.loads(await say(client, server_id, "resolve", name=name))
    assert outcome["seconds"] < 4, "it hung instead of failing"
    return list(outcome["found"])


def denied(report: EgressReport) -> dict[tuple[str, int], int]:
    return {(denial.host, denial.port): denial.count for denial in report.denials}


async def test_a_name_with_its_port_is_reached_and_nothing_else(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, allowing(image, "api.example.org", "db.example.org:27017"))
    assert await heard(client, server_id, "api.example.org", 443, sni="api.example.org") == f"tls at {API}:443 heard hello\n"
    assert await heard(client, server_id, "db.example.org", 27017, first=True) == f"welcome\nat {OTHER} heard hello\n"
    assert await heard(client, server_id, "api.example.org", 8080) == "reset"
    assert await found(client, server_id, "other.example.org") == ["gaierror"]
    report = await client.egress(server_id)
    assert report.allowed == 2
    assert denied(report) == {("api.example.org", 8080): 1, ("other.example.org", 0): 1}
    assert [denial.host for denial in report.denials] == ["other.example.org", "api.example.org"]
    lines = [line.text async for batch in client.logs(server_id) for line in batch if line.stream == "dtma"]
    assert "Egress refused: api.example.org:8080 (it is not among the allowed destinations)." in lines


async def test_the_server_name_in_tls_decides(client: DtmaClient, image: str, server_id: str, world: World) -> None:
    await ready(client, server_id, allowing(image, "api.example.org", "wild.example.org", "db.example.org", "db.example.org:27018"))
    before = world.seen()
    assert await found(client, server_id, "api.example.org") == [API]
    # It goes where its name leads, whatever address was dialled.
    assert await heard(client, server_id, API, 443, sni="db.example.org") == f"tls at {OTHER}:443 heard hello\n"
    assert await heard(client, server_id, API, 443, sni="other.example.org") == "reset"
    assert await heard(client, server_id, API, 443, sni="") == "reset"
    assert await heard(client, server_id, API, 443) == "reset"
    # A port that is not HTTPS's: the address decides, and then the name must be one of that address.
    assert await found(client, server_id, "db.example.org") == [OTHER]
    assert await heard(client, server_id, "db.example.org", 27018, sni="db.example.org") == f"tls at {OTHER}:27018 heard hello\n"
    assert await heard(client, server_id, "db.example.org", 27018, sni="api.example.org") == "reset"
    report = await client.egress(server_id)
    assert denied(report) == {("other.example.org", 443): 1, ("api.example.org", 443): 2, ("api.example.org", 27018): 1}
    assert [line for line in world.seen()[len(before) :] if line.startswith("tls")] == [f"tls {OTHER} 443", f"tls {OTHER} 27018"]


async def test_a_wildcard_is_for_subdomains(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, allowing(image, "*.wild.example.org"))
    for name, address in (("a.wild.example.org", API), ("b.c.WILD.example.org", OTHER)):
        assert await found(client, server_id, name) == [address]
        assert await heard(client, server_id, name, 443, sni=name) == f"tls at {address}:443 heard hello\n"
    for name in ("wild.example.org", "notwild.example.org", "api.example.org"):
        assert await found(client, server_id, name) == ["gaierror"]
    assert await heard(client, server_id, API, 443, sni="wild.example.org") == "reset"


async def test_an_address_that_is_named_is_meant_but_for_the_hosts_own(client: DtmaClient, image: str, server_id: str) -> None:
    never = (METADATA, HOST, "127.0.0.1")
    await ready(client, server_id, allowing(image, f"{API}:8080", f"{PRIVATE}:8080", *(f"{address}:8080" for address in never)))
    size = 1_000_000
    for address in (API, PRIVATE):
        assert await heard(client, server_id, address, 8080, say="y" * size, end=True) == "x" * size
    for address in (METADATA, HOST):
        assert await heard(client, server_id, address, 8080, end=True) == "reset"
    assert await heard(client, server_id, "127.0.0.1", 8080) == "ConnectionRefusedError"  # its own loopback
    assert await heard(client, server_id, API, 80, end=True) == "reset"


async def test_a_name_that_leads_inside_leads_nowhere(client: DtmaClient, image: str, server_id: str, world: World) -> None:
    names = ("rebind.example.org", "metadata.example.org", "host.example.org")
    await ready(client, server_id, allowing(image, *(f"{name}:8080" for name in (*names, "mixed.example.org")), *names))
    before, at_host = world.seen(), world.seen(on_host=True)
    for name in names:
        assert await found(client, server_id, name) == ["gaierror"]
        for address in (PRIVATE, METADATA, HOST):
            assert await heard(client, server_id, address, 443, sni=name) == "reset"
            assert await heard(client, server_id, address, 8080, end=True) == "reset"
    assert await found(client, server_id, "mixed.example.org") == [API]
    assert [line for line in world.seen()[len(before) :] if not line.startswith("asked")] == []
    assert world.seen(on_host=True) == at_host
    assert {(name, 0) for name in names} <= denied(await client.egress(server_id)).keys()


async def test_names_of_services_are_passed_on_but_not_more(client: DtmaClient, image: str, server_id: str) -> None:
    """MongoDB finds its servers by SRV records; an HTTPS record could carry an address past the pins."""
    await ready(client, server_id, allowing(image, "*.example.org:27017"))

    async def ask(name: str, kind: int, to: str) -> bytes:
        wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + wire + kind.to_bytes(2) + b"\x00\x01"
        return bytes.fromhex(await say(client, server_id, "raw_dns", query=query.hex(), host=to))

    for resolver in ("8.8.8.8", RESOLVER, PRIVATE):  # whom it asks makes no difference
        answer = await ask("api.example.org", 33, resolver)
        assert (answer[:2], answer[3] & 15, answer[7]) == (b"\x12\x34", 0, 1)
        assert b"\x02db\x07example\x03org" in answer
    for kind in (28, 64, 65, 255):
        answer = await ask("api.example.org", kind, RESOLVER)
        assert (answer[3] & 15, answer[7]) == (0, 0)
    assert (await ask("elsewhere.net", 33, RESOLVER))[3] & 15 == 3


async def test_open_egress_is_the_public_world(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "probe", egress=Egress.OPEN))
    assert await found(client, server_id, "api.example.org") == [API]
    assert await heard(client, server_id, "api.example.org", 8080, say="abc", end=True) == "xxx"
    assert await heard(client, server_id, OTHER, 443, sni="whatever.net") == f"tls at {OTHER}:443 heard hello\n"
    assert await say(client, server_id, "udp", host=API, port=9999) == "udp heard"
    assert await found(client, server_id, "rebind.example.org") == ["gaierror"]
    assert denied(await client.egress(server_id)) == {("rebind.example.org", 0): 1}


@pytest.mark.parametrize("egress", [Egress.NONE, Egress.ALLOWLIST, Egress.OPEN])
async def test_whatever_its_egress_it_reaches_nothing_inside(
    client: DtmaClient, inside: Agent, image: str, server_id: str, world: World, egress: Egress
) -> None:
    """Private and metadata addresses, every address of the host, its services, the engine's bridges, other servers."""
    neighbour = await ready(client, f"{server_id}-n", spec_of(image, "probe", "--http", "8000", **HTTP, egress=Egress.OPEN))
    await ready(client, server_id, spec_of(image, "probe", "--http", "8000", **HTTP, egress=egress))
    next_door = await say(client, f"{server_id}-n", "own_address")
    gateway = await say(client, server_id, "gateway")
    inner = [PRIVATE, METADATA, HOST, world.address, gateway, "172.17.0.1", await say(client, f"{server_id}-n", "gateway")]
    check = "import socket, sys; socket.create_connection((sys.argv[1], 8080), 5)"
    for address in inner:  # the host itself reaches them all
        world.host.run("python3", "-c", check, address)
    world.host.run("python3", "-c", check.replace("8080", "8000"), next_door)
    before, at_host = world.seen(), world.seen(on_host=True)
    tried = [(address, port) for address in inner for port in (8080, 443)] + [(next_door, 8000), (world.address, inside.port)]
    for address, port in tried:
        assert await heard(client, server_id, address, port, end=True) == "reset"
        assert await say(client, server_id, "udp", host=address, port=9999) in ("ConnectionRefusedError", "TimeoutError")
    assert [line for line in world.seen()[len(before) :] if not line.startswith("asked")] == []
    assert world.seen(on_host=True) == at_host
    assert denied(await client.egress(server_id)) == dict.fromkeys(tried, 1)
    assert set(world.docker("inspect", "--format", "{{.NetworkSettings.Ports}}", neighbour.container).strip()) <= set("map[]")
    ipv6 = json.loads(await say(client, server_id, "look", path="/proc/net/if_inet6"))
    assert [line for line in ipv6["content"].splitlines() if not line.endswith(" lo")] == []


async def test_none_is_nothing(client: DtmaClient, image: str, server_id: str, world: World) -> None:
    await ready(client, server_id, spec_of(image, "probe", "--http", "8000", **HTTP))
    before = world.seen()
    assert await found(client, server_id, "api.example.org") == ["gaierror"]
    assert await heard(client, server_id, API, 443, sni="api.example.org") == "reset"
    assert await say(client, server_id, "udp", host=API, port=9999) == "ConnectionRefusedError"
    assert world.seen() == before
    assert denied(await client.egress(server_id)) == {("api.example.org", 0): 1, (API, 443): 1}


async def test_the_list_of_refusals_is_bounded_and_begins_anew_with_the_spec(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, allowing(image, "api.example.org"))
    await say(client, server_id, "resolve_many", count=250)
    report = await client.egress(server_id)
    assert (report.denied, len(report.denials)) == (250, 200)
    assert (report.denials[0].host, report.denials[-1].host) == ("n249.example.net", "n50.example.net")
    remarks = [line.text async for batch in client.logs(server_id) for line in batch if "refus" in line.text]
    assert len(remarks) in (21, 42)  # two, where a minute ended meanwhile
    await ready(client, server_id, allowing(image, "db.example.org", generation=2))
    assert (await client.egress(server_id)).denied == 0


async def test_a_server_without_a_network_has_nothing_to_report(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "probe"))
    assert await client.egress(server_id) == EgressReport(allowed=0, denied=0, denials=())
    with pytest.raises(ServerNotFound):
        await client.egress("nobody")


async def test_a_flood_of_connections_is_thinned_out_before_dtma_sees_it(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, allowing(image, "api.example.org"))
    flood = json.loads(await say(client, server_id, "flood", host=API, port=8080))
    seen = (await client.egress(server_id)).denied
    # Twice the burst: the rules may just have been written again, which begins anew.
    assert 0 < seen < min(flood["begun"], 4 * MOST_A_SECOND + MOST_A_SECOND * (flood["seconds"] + 1))
    assert await heard(client, server_id, "api.example.org", 443, sni="api.example.org") == f"tls at {API}:443 heard hello\n"
