"""Runs our Redis container for as long as this process lives: `redis_container FOLDER PORT`, started by supervisord.

On a Linux machine's own engine it shares the machine's network: a published port would send each word to Redis, and each answer, through a
process of the engine's. Where that cannot be (an engine in a virtual machine, a rootless one) its port is published on loopback.

The container comes back when it dies and when the engine was restarted; a signal stops and removes it.
"""

import argparse
import socket
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import docker
from docker.models.containers import Container

from deploy.local.held import hold_until_told
from deploy.local.home import Home
from deploy.local.images import ensure_redis_image
from deploy.local.redis import container_user
from deploy.terminal import say

LABEL = "io.agentopia.redis"
INSIDE = 6379
"""The port in a network of the container's own."""


def container_name(folder: Path) -> str:
    return f"agentopia-redis-{Home(folder.parent).key}"


def shares_loopback(engine: dict[str, Any], machine: str) -> bool:
    """Whether a container of this engine can have the machine's own loopback; ``engine`` is its info, ``machine`` our host's name."""
    kinds = [option.partition(",")[0] for option in engine.get("SecurityOptions") or ()]
    maps_users = "name=rootless" in kinds or "name=userns" in kinds
    return engine.get("OSType") == "linux" and engine.get("Name") == machine and not maps_users


def network(client: docker.DockerClient, port: int) -> dict[str, Any]:
    """How Redis comes to this port of the machine's loopback, which its configuration names."""
    if shares_loopback(client.info(), socket.gethostname()):
        return {"network_mode": "host"}
    inside = ["/data/redis.conf", "--bind", "0.0.0.0", "--port", str(INSIDE)]  # noqa: S104 (inside the container)
    return {"ports": {f"{INSIDE}/tcp": ("127.0.0.1", port)}, "command": inside}


def start_container(client: docker.DockerClient, folder: Path, port: int) -> Container:
    user, group = container_user()
    container = client.containers.run(
        ensure_redis_image(client),
        name=container_name(folder),
        labels={LABEL: Home(folder.parent).key},
        user=f"{user}:{group}",
        volumes={str(folder): {"bind": "/data", "mode": "rw"}},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        pids_limit=64,
        mem_limit="1g",
        detach=True,
        **network(client, port),
    )
    say(f"Redis runs in the container {container.name} on 127.0.0.1:{port}")
    return container


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    hold_until_told(container_name(options.folder), partial(start_container, folder=options.folder, port=options.port))


if __name__ == "__main__":
    main()
