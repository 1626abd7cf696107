"""The firewall holds while DTMA is dead, comes back whoever destroys it, and goes with the server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from dtma_client import DtmaClient
from dtma_wire import Destination, Egress, Phase, ServerSpec
from tests.dtma.agent import deploy, eventually, ready, say, spec_of
from tests.dtma.outside import API, PRIVATE, World


@pytest.fixture(scope="module")
def world(image: str) -> Iterator[World]:
    world = World(image)
    yield world
    world.remove()


def guarded(image: str, egress: Egress) -> ServerSpec:
    return spec_of(image, "probe", egress=egress, allowed=(Destination(host="api.example.org", port=8080),))


async def reach(client: DtmaClient, server_id: str, host: str) -> str:
    outcome = json.loads(await say(client, server_id, "connect", host=host, port=8080, say="abc", end=True))
    return str(outcome.get("heard") or outcome["failed"])


def reach_without_dtma(world: World, container: str, host: str) -> str:
    """As ``reach``, by the engine's own exec."""
    code = (
        "import socket, sys\n"
        "try:\n"
        f"    sock = socket.create_connection(({host!r}, 8080), 3)\n"
        "    sock.sendall(b'abc'); sock.shutdown(1); print(sock.recv(9).decode())\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    return world.docker("exec", container, "python", "-c", code).strip()


async def running(client: DtmaClient, server_id: str) -> bool:
    return (await client.server(server_id)).phase is Phase.RUNNING


async def test_it_is_closed_while_dtma_is_dead_and_as_before_afterwards(world: World, image: str) -> None:
    agent = world.agent("killed").start()
    try:
        async with DtmaClient(agent.endpoint) as client:
            listed = await ready(client, "listed", guarded(image, Egress.ALLOWLIST))
            opened = await ready(client, "opened", guarded(image, Egress.OPEN))
            for server in ("listed", "opened"):
                assert await reach(client, server, "api.example.org") == "xxx"
        before = world.rules()
        agent.kill()
        seen, at_host = world.seen(), world.seen(on_host=True)
        assert world.rules() == before
        assert reach_without_dtma(world, listed.container, API) == "ConnectionRefusedError"
        assert reach_without_dtma(world, listed.container, "api.example.org") == "gaierror"
        for container in (listed.container, opened.container):
            for address in (PRIVATE, world.address):
                assert reach_without_dtma(world, container, address) == "ConnectionRefusedError"
        assert (world.seen(), world.seen(on_host=True)) == (seen, at_host)
        world.host.run("iptables", "-t", "nat", "-F")  # and if somebody empties it meanwhile
        agent.start()
        async with DtmaClient(agent.endpoint) as client:
            for server in ("listed", "opened"):
                await eventually(lambda server=server: running(client, server), 30)
            assert (await client.server("listed")).container == listed.container
            # It still knows the address from before, and does not look the name up again.
            assert await reach(client, "listed", API) == "xxx"
            assert await reach(client, "listed", PRIVATE) == "reset"
            assert await reach(client, "opened", "api.example.org") == "xxx"
            assert "AGENTOPIA" in world.rules()
            await client.delete("opened")
            assert "RETURN" not in world.rules().replace("ESTABLISHED -j RETURN", "")
            await client.delete("listed")
            assert world.rules() == ""
    finally:
        agent.stop()


async def test_two_dtmas_on_one_host_leave_each_other_alone(world: World, image: str) -> None:
    one, other = world.agent("one").start(), world.agent("other").start()
    try:
        async with DtmaClient(one.endpoint) as client, DtmaClient(other.endpoint) as neighbour:
            await ready(client, "same", guarded(image, Egress.ALLOWLIST).model_copy(update={"allowed": ()}))
            await ready(neighbour, "other", guarded(image, Egress.ALLOWLIST))
            assert await reach(neighbour, "other", "api.example.org") == "xxx"
            await client.delete("same")
            assert await reach(neighbour, "other", "api.example.org") == "xxx"
            await neighbour.delete("other")
        assert world.rules() == ""
    finally:
        one.stop()
        other.stop()


async def test_the_engine_is_restarted_and_the_firewall_emptied(world: World, image: str) -> None:
    agent = world.agent("restarted").start()
    try:
        async with DtmaClient(agent.endpoint) as client:
            before = await ready(client, "listed", guarded(image, Egress.ALLOWLIST))
            world.stop_engine()
            for table in ("nat", "filter", "mangle"):
                world.host.run("iptables", "-t", table, "-F")
                world.host.run("iptables", "-t", table, "-X")
            world.start_engine()

            async def back() -> bool:
                state = await client.server("listed")
                return state.phase is Phase.RUNNING and state.container != before.container

            await eventually(back, 60)
            assert await reach(client, "listed", "api.example.org") == "xxx"
            assert await reach(client, "listed", PRIVATE) == "reset"
            await client.delete("listed")
            assert world.rules() == ""
    finally:
        agent.stop()


async def test_without_iptables_only_servers_without_a_network_run(world: World, image: str) -> None:
    agent = world.agent("bare")
    agent.through = [*agent.through, "env", "PATH=/nowhere"]
    agent.start()
    try:
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, "quiet", spec_of(image, "probe"))
            _, settled = await deploy(client, "listed", guarded(image, Egress.ALLOWLIST))
            assert not settled.ready
            assert "apt-get install iptables" in settled.server.reason
            assert world.docker("ps", "--all", "--quiet", "--filter", "label=io.agentopia.server=listed") == ""
            for server in ("quiet", "listed"):
                await client.delete(server)
    finally:
        agent.end(signal.SIGTERM)
