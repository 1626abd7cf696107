"""What the engine is told, compared whole."""

from __future__ import annotations

from pydantic import SecretStr

from dtma.engine import Image
from dtma.isolation.container import container_body, network_body, volume_body
from dtma_wire import Egress, HttpTransport, NpmPackage, OciImage, Resources, ServerSpec, Volume

IMAGE = Image(id="sha256:abc", reference="agentopia/server:1", has_init=True)


def test_a_stdio_server_gets_every_restriction() -> None:
    spec = ServerSpec(
        generation=4,
        name="memory",
        source=NpmPackage(name="@modelcontextprotocol/server-memory", version="2026.8.31"),
        arguments=("--flag", "$(reboot); `id` && echo 'x'"),
        environment={"MEMORY_FILE_PATH": "/data/memory.jsonl"},
        secrets={"API_KEY": SecretStr("canary")},
        volumes=(Volume(name="data", path="/data"),),
        resources=Resources(memory_mb=256, cpus=0.5, pids=64),
    )
    assert container_body("s1", spec, IMAGE, toolbox="box", spec_label="digest") == {
        "Image": "sha256:abc",
        "Cmd": ["/opt/mcp/run", "--flag", "$(reboot); `id` && echo 'x'"],
        "User": "10001:10001",
        "Env": ["API_KEY=canary", "HOME=/tmp", "MEMORY_FILE_PATH=/data/memory.jsonl"],
        "OpenStdin": True,
        "StdinOnce": False,
        "Tty": False,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Labels": {
            "io.agentopia.server": "s1",
            "io.agentopia.toolbox": "box",
            "io.agentopia.generation": "4",
            "io.agentopia.spec": "digest",
        },
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},
            "IpcMode": "private",
            "PidsLimit": 64,
            "Memory": 268435456,
            "MemorySwap": 268435456,
            "NanoCpus": 500000000,
            "NetworkMode": "none",
            "PublishAllPorts": False,
            "Mounts": [{"Type": "volume", "Source": "agentopia-s1.data", "Target": "/data", "ReadOnly": False}],
            "Init": False,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        },
    }


def test_an_http_server_has_a_network_of_its_own_without_a_way_out() -> None:
    spec = ServerSpec(generation=1, name="web", source=OciImage(reference="web"), transport=HttpTransport(port=8080))
    assert container_body("s2", spec, IMAGE, toolbox="box", spec_label="d")["HostConfig"]["NetworkMode"] == "agentopia-s2"
    assert network_body("s2", spec, toolbox="box") == {
        "Name": "agentopia-s2",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": True,
        "Options": {"com.docker.network.bridge.enable_icc": "false"},
        "Labels": {"io.agentopia.server": "s2", "io.agentopia.toolbox": "box"},
    }


def test_open_egress_is_an_ordinary_bridge_of_the_servers_own() -> None:
    spec = ServerSpec(generation=1, name="fetch", source=OciImage(reference="fetch"), egress=Egress.OPEN)
    assert container_body("s3", spec, IMAGE, toolbox="box", spec_label="d")["HostConfig"]["NetworkMode"] == "agentopia-s3"
    assert network_body("s3", spec, toolbox="box")["Internal"] is False


def test_an_image_of_somebody_elses_keeps_its_command_and_gets_an_init() -> None:
    image = Image(id="sha256:abc", reference="x", has_init=False)
    plain = container_body("s4", ServerSpec(generation=1, name="x", source=OciImage(reference="x")), image, toolbox="b", spec_label="d")
    assert "Cmd" not in plain
    assert plain["HostConfig"]["Init"] is True
    spec = ServerSpec(generation=1, name="x", source=OciImage(reference="x"), arguments=("serve",))
    assert container_body("s4", spec, image, toolbox="b", spec_label="d")["Cmd"] == ["serve"]


def test_a_volume_is_named_after_its_server() -> None:
    assert volume_body("s5", "data", toolbox="box") == {
        "Name": "agentopia-s5.data",
        "Driver": "local",
        "Labels": {"io.agentopia.server": "s5", "io.agentopia.toolbox": "box"},
    }
