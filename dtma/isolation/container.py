"""From a server's spec to what the engine is told: pure functions (Docker Engine API 1.41, ``POST /containers/create`` and friends)."""

from __future__ import annotations

from typing import Any

from dtma.engine import Image
from dtma.labels import LABEL_GENERATION, LABEL_SERVER, LABEL_SPEC, LABEL_TOOLBOX
from dtma_wire import Egress, HttpTransport, OciImage, ServerSpec

COMMAND = "/opt/mcp/run"
"""Where the images that DTMA builds have the command of their package."""
USER_ID = 10001
"""Of every server, group and user."""
TMPFS = "rw,noexec,nosuid,nodev,size=64m,mode=1777"


def object_name(server_id: str) -> str:
    """The name of a server's container and of its network."""
    return f"agentopia-{server_id}"


def volume_name(server_id: str, name: str) -> str:
    """The engine's name of a server's volume. No id has a dot in it, so no two servers share one."""
    return f"agentopia-{server_id}.{name}"


def needs_network(spec: ServerSpec) -> bool:
    """A server that is spoken to over its standard streams and may reach nothing has no network at all."""
    return isinstance(spec.transport, HttpTransport) or spec.egress is Egress.OPEN


def owner_labels(server_id: str, toolbox: str) -> dict[str, str]:
    """On everything that belongs to a server."""
    return {LABEL_SERVER: server_id, LABEL_TOOLBOX: toolbox}


def container_body(server_id: str, spec: ServerSpec, image: Image, *, toolbox: str, spec_label: str) -> dict[str, Any]:
    """The body of ``POST /containers/create``. Secrets are in ``Env`` and nowhere else."""
    environment = {"HOME": "/tmp", **spec.environment}
    environment |= {name: secret.get_secret_value() for name, secret in spec.secrets.items()}
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
        },
        "HostConfig": {
            "CapDrop": ["ALL"],
            # Docker's default seccomp profile applies: API 1.41 knows no name for it, only "unconfined" or a whole profile.
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": TMPFS},
            "IpcMode": "private",
            "PidsLimit": spec.resources.pids,
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": round(spec.resources.cpus * 1_000_000_000),
            "NetworkMode": object_name(server_id) if needs_network(spec) else "none",
            "PublishAllPorts": False,
            "Mounts": [
                {"Type": "volume", "Source": volume_name(server_id, volume.name), "Target": volume.path, "ReadOnly": False}
                for volume in spec.volumes
            ],
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


def network_body(server_id: str, spec: ServerSpec, *, toolbox: str) -> dict[str, Any]:
    """The body of ``POST /networks/create``: a bridge of the server's own, without a way out unless egress is open."""
    return {
        "Name": object_name(server_id),
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": spec.egress is Egress.NONE,
        "Options": {"com.docker.network.bridge.enable_icc": "false"},
        "Labels": owner_labels(server_id, toolbox),
    }


def volume_body(server_id: str, name: str, *, toolbox: str) -> dict[str, Any]:
    """The body of ``POST /volumes/create``."""
    return {"Name": volume_name(server_id, name), "Driver": "local", "Labels": owner_labels(server_id, toolbox)}
