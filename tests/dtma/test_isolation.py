"""What a server finds around it, seen from inside its container. What it reaches of the network is in ``test_egress``."""

from __future__ import annotations

import json
import socket

import pytest
from docker import DockerClient

from dtma.engine import Engine
from dtma.isolation.container import network_body, subnets
from dtma.labels import LABEL_SERVER
from dtma_client import DtmaClient
from dtma_wire import Egress, Resources, Volume
from tests.dtma.agent import ENGINE_URL, ready, say, spec_of

FORBIDDEN = (
    "ptrace keyctl add_key unshare setns mount bpf perf_event_open userfaultfd io_uring_setup process_vm_readv open_by_handle_at "
    "name_to_handle_at init_module kexec_load reboot pivot_root chroot swapon"
)


def interfaces() -> set[str]:
    """Of this machine."""
    return {name for _, name in socket.if_nameindex()}


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
    assert [mount for mount in settings["Mounts"] if mount["Type"] == "bind"] == []
    limits = settings["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"], limits["PidsLimit"], limits["NanoCpus"]) == (2**29, 2**29, 128, 10**9)


async def test_the_kernel_refuses_what_no_server_needs(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "probe"))
    assert await say(client, server_id, "syscall", name="getpid") == "allowed"
    for name in FORBIDDEN.split():
        assert await say(client, server_id, "syscall", name=name) == "EPERM", name
    assert await say(client, server_id, "syscall", name="clone3") == "ENOSYS"
    assert await say(client, server_id, "new_namespace") == "EPERM"
    for family in ("AF_INET", "AF_UNIX", "AF_NETLINK"):
        assert await say(client, server_id, "socket", family=family) == "allowed"
    for family in ("AF_PACKET", "AF_ALG", "AF_VSOCK", "AF_BLUETOOTH", "AF_CAN"):
        assert await say(client, server_id, "socket", family=family) == "EPERM"
    assert await say(client, server_id, "socket", family="AF_INET", kind="SOCK_RAW", protocol=1) == "EPERM"
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/dev/mem"):
        assert await say(client, server_id, "write", path=path) in ("EROFS", "EACCES", "ENOENT", "EPERM")


async def test_limits_hold(client: DtmaClient, image: str, server_id: str) -> None:
    resources = Resources(pids=40, open_files=100, tmp_mb=8, cpus=0.5, memory_mb=96)
    await ready(client, server_id, spec_of(image, "probe", resources=resources))
    forks = json.loads(await say(client, server_id, "forks"))
    assert forks["error"] == "EAGAIN"
    assert 20 < forks["children"] < 40
    files = json.loads(await say(client, server_id, "files"))
    assert (files["error"], files["limit"]) == ("EMFILE", [100, 100])
    assert files["files"] < 100
    assert json.loads(await say(client, server_id, "fill_tmp")) == {"megabytes": 8, "error": "ENOSPC"}
    assert json.loads(await say(client, server_id, "limits"))["core"] == [0, 0]
    assert float(await say(client, server_id, "burn")) < 0.75  # of a CPU, by three that all want one; 0.5 is allowed
    again = json.loads(await say(client, server_id, "forks"))
    assert abs(again["children"] - forks["children"]) < 5  # nothing was left behind; threads of a call count too


async def test_a_volume_is_writable_and_the_rest_is_not(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),)))
    facts = json.loads(await say(client, server_id, "facts"))
    assert (facts["write_data"], facts["write_root"]) == ("allowed", "OSError 30")


@pytest.mark.parametrize("egress", [Egress.ALLOWLIST, Egress.OPEN])
async def test_egress_is_a_network_of_its_own_without_published_ports(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient, egress: Egress
) -> None:
    state = await ready(client, server_id, spec_of(image, "workshop", egress=egress))
    network = engine.networks.list(names=[f"agentopia-{server_id}"])[0]
    bridge = network.attrs["Options"]["com.docker.network.bridge.name"]
    assert network.attrs["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert bridge in interfaces()
    attrs = engine.containers.get(state.container).attrs
    assert list(attrs["NetworkSettings"]["Networks"]) == [f"agentopia-{server_id}"]
    assert attrs["HostConfig"]["PortBindings"] in (None, {})
    await client.delete(server_id)
    assert engine.networks.list(names=[f"agentopia-{server_id}"]) == []
    assert bridge not in interfaces()


async def test_there_are_more_networks_than_the_engine_would_choose(image: str, server_id: str, toolbox: str) -> None:
    engine, spec = Engine(ENGINE_URL), spec_of(image, "probe", egress=Egress.ALLOWLIST)
    servers = [f"{server_id}-{number}" for number in range(35)]
    try:
        gateways = [await engine.networks.ensure(network_body(one, spec, toolbox=toolbox), subnets(one)) for one in servers]
        assert len(set(gateways)) == len(servers)
        body = network_body(servers[0], spec, toolbox=toolbox)
        # The same again is the same; one that would have to be another's is the next one.
        assert await engine.networks.ensure(body, subnets(servers[0])) == gateways[0] == await engine.networks.gateway(body)
        assert await engine.networks.ensure(network_body(server_id, spec, toolbox=toolbox), subnets(servers[0])) not in gateways
    finally:
        for one in (*servers, server_id):
            await engine.networks.remove(f"{LABEL_SERVER}={one}")
        await engine.close()
