"""What the engine is told, compared whole."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dtma.engine import Image
from dtma.isolation.container import container_body, network_body, secret_volume_body, subnets, volume_body
from dtma.isolation.seccomp import PROFILE
from dtma_wire import Egress, HttpTransport, NpmPackage, OciImage, Resources, SecretFile, ServerSpec, Volume

IMAGE = Image(id="sha256:abc", reference="agentopia/server:1", has_init=True)

ABOUT = (
    '{"spec":{"name":"memory",'
    '"source":{"kind":"npm","name":"@modelcontextprotocol/server-memory","version":"2026.8.31","runtime":"node"},'
    '"arguments":["--flag","$(reboot); `id` && echo \'x\'"],'
    '"environment":{"MEMORY_FILE_PATH":"/data/memory.jsonl"},'
    '"volumes":[{"name":"data","path":"/data","shared":false,"read_only":false},'
    '{"name":"common","path":"/common","shared":true,"read_only":true}],'
    '"resources":{"memory_mb":256,"cpus":0.5,"pids":64,"open_files":1024,"tmp_mb":16}},'
    '"secrets":["API_KEY"],"secret_files":["token.json","other"]}'
)


def host_config(server_id: str, spec: ServerSpec) -> dict[str, Any]:
    body: dict[str, Any] = container_body(server_id, spec, IMAGE, toolbox="box", spec_label="d")["HostConfig"]
    return body


def test_a_stdio_server_gets_every_restriction() -> None:
    spec = ServerSpec(
        generation=4,
        name="memory",
        source=NpmPackage(name="@modelcontextprotocol/server-memory", version="2026.8.31"),
        arguments=("--flag", "$(reboot); `id` && echo 'x'"),
        environment={"MEMORY_FILE_PATH": "/data/memory.jsonl"},
        secrets={"API_KEY": SecretStr("canary")},
        secret_files=(
            SecretFile(name="token.json", content=SecretStr("canary"), variable="TOKEN_FILE"),
            SecretFile(name="other", content=SecretStr("canary")),
        ),
        volumes=(Volume(name="data", path="/data"), Volume(name="common", path="/common", shared=True, read_only=True)),
        resources=Resources(memory_mb=256, cpus=0.5, pids=64, open_files=1024, tmp_mb=16),
    )
    assert container_body("s1", spec, IMAGE, toolbox="box", spec_label="digest") == {
        "Image": "sha256:abc",
        "Cmd": ["/opt/mcp/run", "--flag", "$(reboot); `id` && echo 'x'"],
        "User": "10001:10001",
        "Env": ["API_KEY=canary", "HOME=/tmp", "MEMORY_FILE_PATH=/data/memory.jsonl", "TOKEN_FILE=/run/secrets/token.json"],
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
            "io.agentopia.about": ABOUT,
        },
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges", f"seccomp={PROFILE}"],
            "Privileged": False,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777"},
            "IpcMode": "private",
            "PidsLimit": 64,
            "Memory": 268435456,
            "MemorySwap": 268435456,
            "NanoCpus": 500000000,
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}, {"Name": "core", "Soft": 0, "Hard": 0}],
            "NetworkMode": "none",
            "Dns": [],
            "DnsSearch": [],
            "PublishAllPorts": False,
            "Mounts": [
                {"Type": "volume", "Source": "agentopia-s1.data", "Target": "/data", "ReadOnly": False},
                {"Type": "volume", "Source": "agentopia-shared.26f8567f2569.common", "Target": "/common", "ReadOnly": True},
                {
                    "Type": "volume",
                    "Source": "agentopia-s1.secret.files",
                    "Target": "/run/secrets",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                },
            ],
            "Init": False,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        },
    }


def test_an_http_server_has_a_network_of_its_own_that_the_firewall_knows() -> None:
    spec = ServerSpec(generation=1, name="web", source=OciImage(reference="web"), transport=HttpTransport(port=8080))
    told = host_config("s2", spec)
    assert (told["NetworkMode"], told["Dns"], told["DnsSearch"]) == ("agentopia-s2", ["198.51.100.53"], ["."])
    assert network_body("s2", spec, toolbox="box") == {
        "Name": "agentopia-s2",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": False,
        "EnableIPv6": False,
        "Options": {
            "com.docker.network.bridge.name": "ag26f85ad328846",
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "false",
        },
        "Labels": {"io.agentopia.server": "s2", "io.agentopia.toolbox": "box"},
    }


def test_only_open_egress_leaves_under_the_hosts_address() -> None:
    for egress, masquerade in ((Egress.OPEN, "true"), (Egress.ALLOWLIST, "false")):
        spec = ServerSpec(generation=1, name="fetch", source=OciImage(reference="fetch"), egress=egress)
        assert host_config("s3", spec)["NetworkMode"] == "agentopia-s3"
        assert network_body("s3", spec, toolbox="box")["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == masquerade


def test_an_image_of_somebody_elses_keeps_its_command_and_gets_an_init() -> None:
    image = Image(id="sha256:abc", reference="x", has_init=False)
    plain = container_body("s4", ServerSpec(generation=1, name="x", source=OciImage(reference="x")), image, toolbox="b", spec_label="d")
    assert "Cmd" not in plain
    assert plain["HostConfig"]["Init"] is True
    spec = ServerSpec(generation=1, name="x", source=OciImage(reference="x"), arguments=("serve",))
    assert container_body("s4", spec, image, toolbox="b", spec_label="d")["Cmd"] == ["serve"]


def test_a_volume_is_named_after_its_server_or_else_after_its_toolbox() -> None:
    assert volume_body("s5", Volume(name="data", path="/data"), toolbox="box") == {
        "Name": "agentopia-s5.data",
        "Driver": "local",
        "Labels": {"io.agentopia.server": "s5", "io.agentopia.toolbox": "box"},
    }
    assert volume_body("s5", Volume(name="data", path="/data", shared=True), toolbox="box") == {
        "Name": "agentopia-shared.26f8567f2569.data",
        "Driver": "local",
        "Labels": {"io.agentopia.toolbox": "box"},
    }


def test_secret_files_are_bound_from_a_directory_in_memory() -> None:
    assert secret_volume_body("s6", Path("/run/agentopia-x/s6"), toolbox="box") == {
        "Name": "agentopia-s6.secret.files",
        "Driver": "local",
        "DriverOpts": {"type": "none", "o": "bind,ro", "device": "/run/agentopia-x/s6"},
        "Labels": {"io.agentopia.server": "s6", "io.agentopia.toolbox": "box"},
    }


def test_the_seccomp_profile_names_what_is_allowed_and_nothing_dangerous() -> None:
    profile = json.loads(PROFILE)
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(one["subArchitectures"] == [] for one in profile["archMap"])
    allowed = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    dangerous = (
        "acct add_key bpf chroot delete_module fanotify_init finit_module fsconfig fsmount fsopen init_module io_uring_enter "
        "io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind modify_ldt mount mount_setattr "
        "move_mount move_pages name_to_handle_at open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root "
        "process_vm_readv process_vm_writev ptrace quotactl reboot request_key setdomainname sethostname setns settimeofday "
        "swapoff swapon syslog umount2 unshare userfaultfd vhangup"
    )
    assert allowed & set(dangerous.split()) == set()
    assert [rule for rule in profile["syscalls"] if "includes" in rule or "excludes" in rule] == []


def test_networks_have_room_for_many_servers() -> None:
    found = list(subnets("s7"))
    assert len(set(found)) == 512
    assert {subnet.prefixlen for subnet in found} == {25}
    assert all(subnet.subnet_of(IPv4Network("198.19.0.0/16")) for subnet in found)
    assert found[0] != next(subnets("s8"))
