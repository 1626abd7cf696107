"""What a server finds around it, seen from inside its container."""

from __future__ import annotations

import json

from docker import DockerClient

from dtma_client import DtmaClient
from dtma_wire import Egress, Volume
from tests.dtma.agent import ready, say, spec_of


async def test_a_server_is_alone_and_powerless(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    state = await ready(client, server_id, spec_of(image, "workshop"))
    facts = json.loads(await say(client, server_id, "facts"))
    assert facts.pop("environment") == [
        "HOME", "HOSTNAME", "LC_CTYPE", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "VIRTUAL_ENV",
    ]  # fmt: skip
    assert {"noexec", "nosuid", "nodev", "size=65536k"} <= set(facts.pop("tmp"))
    assert facts == {
        "uid": 10001,
        "gid": 10001,
        "capabilities": "0000000000000000",
        "bounding": "0000000000000000",
        "no_new_privileges": "1",
        "seccomp": "2",
        "root": "ro",
        "write_root": "OSError 30",
        "write_tmp": "allowed",
        "write_data": "OSError 30",
        "interfaces": ["lo"],
        "reach": "OSError 101",
        "docker_socket": False,
    }
    settings = engine.containers.get(state.container).attrs
    assert settings["NetworkSettings"]["Ports"] == {}
    limits = settings["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"], limits["PidsLimit"], limits["NanoCpus"]) == (2**29, 2**29, 128, 10**9)


async def test_a_volume_is_writable_and_the_rest_is_not(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),)))
    facts = json.loads(await say(client, server_id, "facts"))
    assert (facts["write_data"], facts["write_root"]) == ("allowed", "OSError 30")


async def test_open_egress_is_a_network_of_its_own_without_published_ports(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    state = await ready(client, server_id, spec_of(image, "workshop", egress=Egress.OPEN))
    network = engine.networks.list(names=[f"agentopia-{server_id}"])[0]
    assert network.attrs["Internal"] is False
    assert network.attrs["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    attrs = engine.containers.get(state.container).attrs
    assert list(attrs["NetworkSettings"]["Networks"]) == [f"agentopia-{server_id}"]
    assert attrs["HostConfig"]["PortBindings"] in (None, {})
    await client.delete(server_id)
    assert engine.networks.list(names=[f"agentopia-{server_id}"]) == []
