"""From a server's spec to what the engine is told: pure functions (Docker Engine API 1.41, ``POST /containers/create`` and friends)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from dtma.about import about_label
from dtma.engine import Image
from dtma.isolation.rules import bridge_name
from dtma.isolation.seccomp import PROFILE
from dtma.labels import LABEL_GENERATION, LABEL_SERVER, LABEL_SPEC, LABEL_TOOLBOX
from dtma_wire import Egress, OciImage, ServerSpec, StdioTransport, Volume

COMMAND = "/opt/mcp/run"
"""Where the images that DTMA builds have the command of their package."""
USER_ID = 10001
"""Of every server, group and user."""
SECRET_FILES = "/run/secrets"
"""Where a server finds its secret files."""
SUBNETS, SUBNET_BITS = IPv4Network("198.19.0.0/16"), 25
"""For servers' networks: addresses that are no one's (RFC 2544), so no local network is hidden by them. 512 networks of 126 addresses."""
RESOLVER = "198.51.100.53"
"""Nobody has this address (RFC 5737): what is sent to port 53 ends at the server's own name server, wherever it was going."""


def object_name(server_id: str) -> str:
    """The name of a server's container and of its network."""
    return f"agentopia-{server_id}"


def volume_name(server_id: str, volume: Volume, *, toolbox: str) -> str:
    """The engine's name of a volume. Neither an id nor a volume's name has a dot in it, so no two are the same."""
    if volume.shared:
        return f"agentopia-shared.{hashlib.sha256(toolbox.encode()).hexdigest()[:12]}.{volume.name}"
    return f"agentopia-{server_id}.{volume.name}"


def secret_volume_name(server_id: str) -> str:
    """The engine's name of the volume that is bound to a server's secret files."""
    return f"agentopia-{server_id}.secret.files"


def needs_network(spec: ServerSpec) -> bool:
    """A server that is spoken to over its standard streams and may reach nothing has no network at all."""
    return not isinstance(spec.transport, StdioTransport) or spec.egress is not Egress.NONE


def owner_labels(server_id: str, toolbox: str) -> dict[str, str]:
    """On everything that belongs to a server."""
    return {LABEL_SERVER: server_id, LABEL_TOOLBOX: toolbox}


def container_body(server_id: str, spec: ServerSpec, image: Image, *, toolbox: str, spec_label: str) -> dict[str, Any]:
    """The body of ``POST /containers/create``. Secrets are in ``Env`` and nowhere else."""
    environment = {"HOME": "/tmp", **spec.environment}
    environment |= {file.variable: f"{SECRET_FILES}/{file.name}" for file in spec.secret_files if file.variable}
    environment |= {name: secret.get_secret_value() for name, secret in spec.secrets.items()}
    networked = needs_network(spec)
    memory = spec.resources.memory_mb * 1024 * 1024
    body: dict[str, Any] = {
        "Image": image.id,
        "User": f"{USER_ID}:{USER_ID}",
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "OpenStdin": True,
        "StdinOnce": False,
        "Tty": False,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Labels": {
            **owner_labels(server_id, toolbox),
            LABEL_GENERATION: str(spec.generation),
            LABEL_SPEC: spec_label,
            **about_label(spec),
        },
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges", f"seccomp={PROFILE}"],
            "Privileged": False,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={spec.resources.tmp_mb}m,mode=1777"},
            "IpcMode": "private",
            "PidsLimit": spec.resources.pids,
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": round(spec.resources.cpus * 1_000_000_000),
            "Ulimits": [
                {"Name": "nofile", "Soft": spec.resources.open_files, "Hard": spec.resources.open_files},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "NetworkMode": object_name(server_id) if networked else "none",
            "Dns": [RESOLVER] if networked else [],
            "DnsSearch": ["."] if networked else [],
            "PublishAllPorts": False,
            "Mounts": _mounts(server_id, spec, toolbox),
            "Init": not image.has_init,
            "RestartPolicy": {"Name": "no"},
            # DTMA keeps its own log; the engine's only fills the gap after DTMA was away.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        },
    }
    if not isinstance(spec.source, OciImage):
        body["Cmd"] = [COMMAND, *spec.arguments]
    elif spec.arguments:
        body["Cmd"] = list(spec.arguments)
    return body


def subnets(server_id: str) -> Iterator[IPv4Network]:
    """Where a server's network may be, the likeliest free one first. The engine's own choice ends after about thirty networks."""
    first = int.from_bytes(hashlib.sha256(server_id.encode()).digest()[:4])
    size = 1 << (32 - SUBNET_BITS)
    count = SUBNETS.num_addresses // size
    for number in range(count):
        yield IPv4Network((int(SUBNETS.network_address) + (first + number) % count * size, SUBNET_BITS))


def network_body(server_id: str, spec: ServerSpec, *, toolbox: str) -> dict[str, Any]:
    """The body of ``POST /networks/create``: a bridge of the server's own, under a name that the firewall's rules know.

    It is not ``Internal`` though nothing may pass it but what the firewall lets through: an internal network has no route, so a
    server's attempts would fail before anybody could count them, and its look-ups of names hang for ten seconds.
    """
    return {
        "Name": object_name(server_id),
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": False,
        "EnableIPv6": False,
        "Options": {
            "com.docker.network.bridge.name": bridge_name(toolbox, server_id),
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "true" if spec.egress is Egress.OPEN else "false",
        },
        "Labels": owner_labels(server_id, toolbox),
    }


def volume_body(server_id: str, volume: Volume, *, toolbox: str) -> dict[str, Any]:
    """The body of ``POST /volumes/create``. A shared volume belongs to the toolbox alone."""
    labels = {LABEL_TOOLBOX: toolbox} if volume.shared else owner_labels(server_id, toolbox)
    return {"Name": volume_name(server_id, volume, toolbox=toolbox), "Driver": "local", "Labels": labels}


def secret_volume_body(server_id: str, directory: Path, *, toolbox: str) -> dict[str, Any]:
    """The body of ``POST /volumes/create`` for the secret files in a directory of the host."""
    return {
        "Name": secret_volume_name(server_id),
        "Driver": "local",
        "DriverOpts": {"type": "none", "o": "bind,ro", "device": str(directory)},
        "Labels": owner_labels(server_id, toolbox),
    }


def _mounts(server_id: str, spec: ServerSpec, toolbox: str) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"Type": "volume", "Source": volume_name(server_id, one, toolbox=toolbox), "Target": one.path, "ReadOnly": one.read_only}
        for one in spec.volumes
    ]
    if spec.secret_files:
        source = {"Source": secret_volume_name(server_id), "Target": SECRET_FILES, "ReadOnly": True}
        mounts.append({"Type": "volume", **source, "VolumeOptions": {"NoCopy": True}})
    return mounts
